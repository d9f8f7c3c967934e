/* mime_filter.c - messages through the converting MIME stage, for programs that have a decoder of their own
 *
 *	stdin	( length 4, most significant octet first | content ) ...
 *	stdout	( enum mime_trouble 4 | length 4 | content ) ...
 *
 * Octets are fed in pieces of 1 to 4096, the same ones each time.
 */
#include <stdio.h>

#include "core/err.h"
#include "tests/test.h"
#include "tests/unit/net/mail/mime_run.h"

#define MESSAGE_MAX MIB(8)

static size_t cut(void *context, size_t at, size_t left)
{
	uint64_t r = test_random(context);

	(void)at;
	return MIN(left, 1 + (r & 4095) % ((r >> 12) % 4 == 0 ? 16 : 4096));
}

static bool read_number(uint32_t *ret_number)
{
	unsigned char octets[4];

	if (fread(octets, 1, sizeof(octets), stdin) != sizeof(octets))
		return false;
	*ret_number = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
	return true;
}

static void write_number(uint32_t n)
{
	const unsigned char octets[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
		(unsigned char)n };

	ASSERT(fwrite(octets, 1, sizeof(octets), stdout) == sizeof(octets));
}

int main(void)
{
	char *text = malloc(MESSAGE_MAX), *storage = malloc(4 * MESSAGE_MAX);
	uint64_t seed = 1;
	uint32_t len;

	ASSERT(text != NULL && storage != NULL);
	while (read_number(&len)) {
		struct mime_run run = { .conf = mime_run_conf(), .cut = cut, .context = &seed };
		struct str out = str_over(storage, 4 * MESSAGE_MAX);

		ASSERT(len <= MESSAGE_MAX && fread(text, 1, len, stdin) == len);
		int r = mime_run(&run, slice_of(text, len), &out);

		ASSERT(r == STAGE_END || r == ERR_CONTENT);
		ASSERT(!str_is_full(&out));
		write_number(run.mime.structure.trouble);
		write_number((uint32_t)out.len);
		ASSERT(fwrite(out.ptr, 1, out.len, stdout) == out.len);
	}
	free(storage);
	free(text);
	return 0;
}
