/* fuzz_mta_sts.c - MTA-STS policies and the records that announce them (row FZ-11)
 *
 * The same octets as a policy, and as records divided by LF. Claims: what is taken has its bounds, can be written again
 * from what was understood, and then means the same; patterns are names and nothing else; no octet behind the end is
 * looked at (the memory ends there).
 */
#include <stdlib.h>

#include "core/str.h"
#include "net/wire/mta_sts.h"

#define TEXTS_MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pattern(struct slice mx)
{
	ASSERT(mx.len > 0 && mx.len <= 257);
	for (size_t i = 0; i < mx.len; i++) {
		const char c = ascii_lower(mx.ptr[i]);

		ASSERT((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
		       (c == '*' && i == 0 && mx.len > 2 && mx.ptr[1] == '.'));
	}
}

static void check_policy(struct slice text)
{
	static const char *const modes[] = { "none", "testing", "enforce" };
	static char storage[2 * MTA_STS_POLICY_MAX + 256];
	struct mta_sts_policy p, again;
	struct str out = STR(storage);
	struct slice mx;
	unsigned count = 0;

	if (mta_sts_policy_parse(text, &p) < 0)
		return;
	ASSERT(p.max_age_s <= MTA_STS_AGE_MAX && text.len <= MTA_STS_POLICY_MAX);
	str_printf(&out, "version:STSv1\nmode:%s\nmax_age:%u\n", modes[p.mode], p.max_age_s);
	for (struct slice rest = p.text; (mx = mta_sts_next_mx(&rest)).len > 0; count++) {
		check_pattern(mx);
		str_add(&out, SLICE("mx:"));
		str_add(&out, mx);
		str_add_char(&out, '\n');
	}
	ASSERT(count == p.mx_count && (count > 0 || p.mode == MTA_STS_NONE) && !str_is_full(&out));
	if (out.len > MTA_STS_POLICY_MAX)
		return;
	ASSERT(mta_sts_policy_parse(str_slice(&out), &again) == 0);
	ASSERT(again.mode == p.mode && again.max_age_s == p.max_age_s && again.mx_count == p.mx_count);
}

static void check_records(struct slice text)
{
	struct slice texts[TEXTS_MAX], id;
	unsigned count = 0, ours = 0;

	while (text.len > 0 && count < TEXTS_MAX) {
		const ptrdiff_t lf = slice_find_char(text, 0, '\n');

		texts[count] = slice_head(text, lf < 0 ? text.len : (size_t)lf);
		slice_skip(&text, texts[count].len + (lf >= 0));
		ours += slice_has_prefix(texts[count], SLICE("v=STSv1;"));
		count++;
	}
	if (mta_sts_record_find(texts, count, &id) < 0)
		return;
	ASSERT(ours == 1 && id.len > 0 && id.len <= MTA_STS_ID_MAX);
	for (size_t i = 0; i < id.len; i++) {
		const char c = ascii_lower(id.ptr[i]);

		ASSERT((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	ASSERT(copy != NULL);
	memcpy(copy, data, size);
	check_policy(slice_of(copy, size));
	check_records(slice_of(copy, size));
	free(copy);
	return 0;
}
