/* spool_world_facts.h - what message n says, and what comes along with it and its recipient k: everything, some of it,
 * or nothing
 *
 * never    included but by spool_world.c
 */
#pragma once

#include "net/mail/message.h"
#include "tests/test.h"

static void content_of(unsigned n, uint64_t at, uint8_t *dst, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		uint64_t seed = (uint64_t)n << 40 | (at + i) >> 3;

		if (i == 0 || (at + i) % 8 == 0)
			word = test_random(&seed);
		dst[i] = (uint8_t)(word >> 8 * ((at + i) & 7));
	}
}

static struct rcpt_facts facts_of(unsigned n, uint32_t k, struct slice addr)
{
	static const struct slice orcpts[] = { SLICE(""), SLICE("rfc822;a+b=c@x"), SLICE("utf-8;\xc3\xa4@x") };
	const struct slice originals[] = { SLICE(""), addr, SLICE("before@x.test") };

	return (struct rcpt_facts){
		.addr = addr, .orcpt = orcpts[(n + k) % 3], .original = originals[(n + k) / 3 % 3],
		.notify = (n + k) % 16,
	};
}

static struct slice envid_of(unsigned n)
{
	return slice_head(SLICE("QQ 31+4=1"), n % 10);
}

static struct slice client_of(unsigned n, char storage[64])
{
	struct str client = str_over(storage, 64);

	for (unsigned i = 0; i < n % (CLIENT_ATTR_COUNT + 1); i++)
		message_client_add(&client, (enum client_attr)i, SLICE("attr"));
	return str_slice(&client);
}

/* The beginning of an address, as a string. */
static const char *beginning(struct slice addr, char text[40])
{
	const size_t len = MIN(addr.len, 39u);

	memcpy(text, addr.ptr, len);
	text[len] = '\0';
	return text;
}

static void assert_same(struct slice a, struct slice b)
{
	assert_true(slice_eq(a, b));
}
