/* spool_world_facts.h - what message n says, and what comes along with it and its recipient k: everything, some of it,
 * or nothing
 *
 * never    included but by spool_world.c
 */
#pragma once

#include <stdio.h>

#include "net/mail/message.h"
#include "tests/test.h"
#include "tests/unit/net/source/spool_world.h"

static void put_at(uint64_t place, char octet, uint64_t at, uint8_t *dst, size_t len)
{
	if (place >= at && place < at + len)
		dst[place - at] = (uint8_t)octet;
}

/* Lines of 98 octets that are none of a line end, as a listener takes them; unless the test has somebody else write
 * other ones. */
static void content_of(unsigned n, uint64_t at, uint8_t *dst, size_t len)
{
	const uint64_t end = world_messages[n].size;
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		uint64_t seed = (uint64_t)n << 40 | (at + i) >> 3;

		if (i == 0 || (at + i) % 8 == 0)
			word = test_random(&seed);
		dst[i] = (uint8_t)(word >> 8 * ((at + i) & 7)) | 0x40;
	}
	for (uint64_t line = at / 100 * 100; line < at + len && line + 102 <= end; line += 100) {
		put_at(line + 98, '\r', at, dst, len);
		put_at(line + 99, '\n', at, dst, len);
	}
	put_at(end - 2, '\r', at, dst, len);
	put_at(end - 1, '\n', at, dst, len);
	for (size_t i = 0; n == world.odd_in && i < world.odd.len; i++)
		put_at(world.odd_at + i, world.odd.ptr[i], at, dst, len);
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

static unsigned rcpt_number(const struct rcpt *r)
{
	char text[40];
	unsigned k, n;

	assert_int_equal(sscanf(beginning(r->addr, text), "r%u.%u@", &k, &n), 2);
	return k;
}

/* Nothing of it is lost on the way: through the disk, through a move, through a crash. */
static void check_facts(const struct message *msg, unsigned n)
{
	char client[64];

	assert_int_equal(msg->facts, n);
	assert_same(msg->envid, envid_of(n));
	assert_same(msg->client, client_of(n, client));
	for (uint32_t i = 0; i < MIN(msg->rcpt_count, WORLD_RCPTS); i++) {
		const struct rcpt_facts is = rcpt_facts(&msg->rcpts[i]);
		const struct rcpt_facts was = facts_of(n, rcpt_number(&msg->rcpts[i]), is.addr);

		assert_same(is.orcpt, was.orcpt);
		assert_same(is.original, was.original);
		assert_int_equal(is.notify, was.notify);
	}
}
