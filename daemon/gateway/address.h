/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_ADDRESS_H
#define FF_GATEWAY_ADDRESS_H

/*
 * Is an address one of the public internet?  Everything that may lead into
 * the host, its networks, or the provider's own (loopback, private, shared,
 * link-local, metadata, multicast, documentation, reserved) is not, whatever
 * it is wrapped in: v4-mapped, NAT64, 6to4, Teredo.  The registries are those
 * of RFC 6890 and its successors.  Pure.
 */

#include <stdbool.h>

#include <sys/socket.h>

bool ff_address_public(const struct sockaddr *sa);

#endif
