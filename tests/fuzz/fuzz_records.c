/* fuzz_records.c - a queue file, read from anywhere and cut anywhere, against the slow reference (row FZ-14, its file)
 *
 *	octet 0		where reading begins
 *	octet 1		where the file is cut, and
 *	octet 2		in pieces of which size
 *	the rest	the file
 *
 * Claims: what is damage for one is damage for the other, and otherwise both see the same lines; it is over after as
 * many octets as the file has, wherever its pointers lead.
 */
#include "tests/unit/net/mail/records_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	const struct slice file = slice_of(data + 3, size - 3);
	const size_t cap = 2 * file.len + 2, at = MIN(data[0], file.len);
	char *storage = malloc(2 * cap);

	ASSERT(storage != NULL);
	struct str got = str_over(storage, cap), want = str_over(storage + cap, cap);
	const int r = records_reference(file, at, &want);

	ASSERT(records_run(file, at, data[1], 2u * data[1], data[2] == 0 ? SIZE_MAX : data[2], &got) == r);
	ASSERT(!str_is_full(&want) && !str_is_full(&got));
	ASSERT(r < 0 || slice_eq(str_slice(&got), str_slice(&want)));
	free(storage);
	return 0;
}
