# SPDX-License-Identifier: MIT
# flowforge.conf.5 from its .in and the table of keys, so that the page cannot
# say anything else than the program does.  Arguments: src/base/names.h,
# src/conf/conf.def, doc/flowforge.conf.5.in, and by -v the paths that
# configure has decided on.

# Fields of an FF_CONF row into f[]; commas inside quotes do not count.
function fields(row, f,    n, i, c, quoted, item) {
	n = 0; item = ""; quoted = 0
	for (i = 1; i <= length(row); i++) {
		c = substr(row, i, 1)
		if (c == "\"" && substr(row, i - 1, 1) != "\\") quoted = !quoted
		if (c == "," && !quoted) { f[++n] = trim(item); item = ""; continue }
		item = item c
	}
	f[++n] = trim(item)
	return n
}
function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }
function text(s) { # a C string or a name that stands for one
	if (s in known) return known[s]
	if (s !~ /^".*"$/) { print "conf.def: what is " s "?" > "/dev/stderr"; bad = 1; exit 1 }
	return substr(s, 2, length(s) - 2)
}
function roff(s) { gsub(/\\/, "\\e", s); gsub(/"/, "\\(dq", s); return s }
function size(v) {
	if (v >= 1073741824 && v % 1073741824 == 0) return sprintf("%.0fg", v / 1073741824)
	if (v >= 1048576 && v % 1048576 == 0) return sprintf("%.0fm", v / 1048576)
	if (v >= 1024 && v % 1024 == 0) return sprintf("%.0fk", v / 1024)
	return sprintf("%.0f", v)
}
function time(v) {
	if (v >= 86400000 && v % 86400000 == 0) return sprintf("%.0fd", v / 86400000)
	if (v >= 3600000 && v % 3600000 == 0) return sprintf("%.0fh", v / 3600000)
	if (v >= 60000 && v % 60000 == 0) return sprintf("%.0fm", v / 60000)
	if (v >= 1000 && v % 1000 == 0) return sprintf("%.0fs", v / 1000)
	return v == 0 ? "0" : sprintf("%.0fms", v)
}
function kind(type, min, max) {
	if (type == "STR") return "Text of at most " max " bytes."
	if (type == "PATH") return "Absolute path."
	if (type == "INT") return "Number, " min " to " max "."
	if (type == "SIZE") return "Size, " size(min) " to " size(max) "."
	if (type == "TIME") return "Time, " time(min) " to " time(max) "."
	if (type == "BOOL") return "True or false."
	if (type == "MONEY") return "Dollars, as in 2.50; at most " max / 1000000 "."
	if (type == "LIST") return "Text of at most " max " bytes, may be given several times."
	if (type == "WORD") { gsub(/"/, "", min); gsub(/ /, ", ", min); return "One of: " min "." }
	print "conf.def: what is " type "?" > "/dev/stderr"; bad = 1; exit 1
}
function key_entry(row,    f, key, section, def, help) {
	if (fields(row, f) != 8) { print "conf.def: not 8 fields: " row > "/dev/stderr"; bad = 1; exit 1 }
	key = text(f[2]); def = text(f[4]); help = text(f[8])
	section = key; sub(/\..*/, "", section)
	if (section != last) {
		if (last != "") keys = keys ".El\n"
		keys = keys ".Ss [" section "]\n.Bl -tag -width Ds\n"
		last = section
	}
	gsub(/\. /, ".\n", help)
	keys = keys ".It Cm " key "\n" roff(help) "\n.br\n" kind(f[3], f[5], f[6]) "\n"
	keys = keys (def == "" ? "Default: empty.\n" : "Default:\n.Ql \"" roff(def) "\" .\n")
}

FILENAME ~ /names\.h$/ && /^#define FF_[A-Z_]+ "/ {
	name = $2; value = $0
	sub(/^#define [A-Z_]+ "/, "", value); sub(/"[^"]*$/, "", value)
	known[name] = value
}
FILENAME ~ /conf\.def$/ {
	if (/^FF_CONF\(/) { row = $0; sub(/^FF_CONF\(/, "", row) }
	else if (row != "") row = row " " trim($0)
	if (row ~ /"\)$/) { sub(/\)$/, "", row); key_entry(row); row = "" }
}
FILENAME ~ /\.5\.in$/ {
	if (/^@KEYS@$/) { printf "%s.El\n", keys; done = 1 }
	else { gsub(/@CONF@/, conf); print }
}
BEGIN { known["FF_DEFAULT_STATE_DIR"] = state_dir; known["FF_DEFAULT_RUN_DIR"] = run_dir }
END { if (!bad && !done) { print "no @KEYS@ line" > "/dev/stderr"; exit 1 } }
