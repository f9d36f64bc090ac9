/* SPDX-License-Identifier: MIT */
/* flowforge(1): the streams of this process around ff_cli_main. */
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"
#include "ipc/ipc.h"

/* Not the default action: over ssh and in scripts the documented status must arrive, not a signal. */
static void interrupted(int signo)
{
	(void)signo;
	_exit(130);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = interrupted };
	struct ff_cli cli = {
		.out_stream = stdout, .talk = stderr, .in = stdin, .environ = environ, .wait_ms = ff_cli_wait,
	};

	ff_json_setup();
	ff_assert(sigaction(SIGINT, &action, NULL) == 0);
	return ff_cli_main(&cli, argc, argv);
}
