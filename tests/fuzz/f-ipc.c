/* SPDX-License-Identifier: MIT */
/* Bytes from a hook, as core reads them: whatever comes, a message or an end with a reason. */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sock.h"
#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_chan *c = NULL;
	enum ff_msg_type type;
	json_t *msg;
	int fds[2], fd;

	if (size > 60000)
		return 0; /* more than the socket takes without a reader */
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	(void)!write(fds[1], data, size);
	ff_close(&fds[1]);
	c = ff_chan_new(fds[0], FF_PEER_CORE, FF_PEER_HOOK);
	while (ff_chan_recv(c, 1000, &type, &msg, &fd, NULL) == 0) {
		FF_AUTO(ff_free) char *repo = NULL;
		const char *id;
		int64_t v;

		(void)ff_msg_bytes(msg, "repo", &repo, NULL);
		(void)ff_msg_str(msg, "id", &id, NULL);
		(void)ff_msg_int(msg, "v", 1, 1, &v, NULL);
		ff_close(&fd);
		json_decref(msg);
	}
	ff_chan_free(&c);
	return 0;
}
