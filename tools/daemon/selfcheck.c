/* selfcheck.c - what this program is made of, on this machine: libraries and what is known against them; proofs that
 * take no time (rows SUP-01, TLS-01, TLS-02) */
#include "tools/daemon/daemon.h"

#include <stdio.h>

#include "core/crc.h"
#include "core/log.h"
#include "crypto/auth.h"
#include "net/admin/libraries.h"
#include "net/mail/scan.h"

/* --- the table -------------------------------------------------------------------------------- */

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

int selfcheck_print_libraries(void)
{
	struct library_report r;

	/* A mechanism whose plug-in is not there cannot be used: they have to be looked for. */
	if (auth_library_mechs() == 0 && auth_library_start(0) < 0)
		return EX_SOFTWARE;
	printf("%-11s %-10s %-18s\n", "library", "headers", "linked");
	for (unsigned i = 0; libraries_report(i, &r); i++) {
		printf("%-11s %-10s %-18s %s\n", r.library.name, or_dash(r.library.built), or_dash(r.library.linked), r.remark);
		for (unsigned k = 0; k < r.fault_count; k++)
			printf("            %s: %s: %s\n", library_state_name(r.faults[k].state), r.faults[k].known,
			       r.faults[k].guard);
	}
	return 0;
}

void selfcheck_log_libraries(void)
{
	struct library_report r;

	for (unsigned i = 0; libraries_report(i, &r); i++) {
		log_line(LOG_LEVEL_INFO, "ringpostd", "library %s %s (headers %s)%s%s", r.library.name,
			 or_dash(r.library.linked), or_dash(r.library.built), r.remark[0] != '\0' ? ": " : "", r.remark);
		for (unsigned k = 0; k < r.fault_count; k++)
			log_line(r.faults[k].state == LIBRARY_EXPOSED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "ringpostd",
				 "library %s %s: %s: %s: %s", r.library.name, r.library.linked,
				 library_state_name(r.faults[k].state), r.faults[k].known, r.faults[k].guard);
	}
}

/* --- proofs ----------------------------------------------------------------------------------- */

/* Octets of every kind, those that matter more often than others. The same ones each time. */
static void fill(char *text, size_t len)
{
	static const char often[] = "\r\n.-a\x80\xff";
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		text[i] = x >> 31 ? (char)(x >> 20) : often[(x >> 20) % sizeof(often)];
	}
}

static bool finds_the_same(const struct scan_functions *f, const struct scan_functions *portable, const char *text,
			   size_t len)
{
	struct scan_masks a = { 0 }, b = { 0 };

	if (len >= SCAN_BLOCK) {
		f->look(text, 1, &a);
		portable->look(text, 1, &b);
	}
	return f->find_behind_lf(text, len, '.') == portable->find_behind_lf(text, len, '.') &&
	       f->find_control(text, len) == portable->find_control(text, len) &&
	       f->find_high(text, len) == portable->find_high(text, len) && memcmp(&a, &b, sizeof(a)) == 0;
}

/* Before the first thread: the level changes meanwhile. */
static bool levels_agree(void)
{
	const enum scan_level best = scan_level();
	char text[1024];
	bool agree = scan_use(SCAN_PORTABLE);
	const struct scan_functions *portable = scan_functions;

	fill(text, sizeof(text));
	for (int level = 0; level < SCAN_LEVELS; level++) {
		if (!scan_use((enum scan_level)level))
			continue;
		for (size_t from = 0; from < sizeof(text); from++)
			agree = agree && finds_the_same(scan_functions, portable, text + from, sizeof(text) - from);
	}
	return scan_use(best) && agree;
}

/* RFC 3720 has no short one; this is everybody's. */
static bool checksums_agree(void)
{
	char text[2048];
	bool agree = crc32c(0, "123456789", 9) == 0xe3069283u;

	fill(text, sizeof(text));
	for (size_t len = 0; len < sizeof(text); len++)
		agree = agree && crc32c(1, text, len) == crc32c_portable(1, text, len);
	return agree;
}

int selfcheck_run(void)
{
	static const struct {
		const char *claim;
		bool (*holds)(void);
	} proofs[] = {
		{ "octets that matter are found alike at every level of this processor", levels_agree },
		{ "checksums of the processor are those of the table", checksums_agree },
	};
	int status = tls_prove();

	if (status == 0)
		printf("ok: certificates are told from their clones and from forgeries\n");
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++) {
		if (proofs[i].holds()) {
			printf("ok: %s\n", proofs[i].claim);
			continue;
		}
		startup_say("self-test: not so: %s", proofs[i].claim);
		status = EX_SOFTWARE;
	}
	return status != 0 ? status : selfcheck_print_libraries();
}
