# SPDX-License-Identifier: MIT
# The sums of lines like "runs 12, lost jobs 0, leaks 1": by their words.
{
	for (i = 1; i <= NF; i++) {
		n = split($i, words, " ")
		what = words[1]
		for (j = 2; j < n; j++)
			what = what " " words[j]
		if (!(what in sum))
			order[++kinds] = what
		sum[what] += words[n]
	}
}
END {
	for (i = 1; i <= kinds; i++)
		printf "%s%s %d", (i > 1 ? ", " : "check-crash: "), order[i], sum[order[i]]
	print ""
}
