#include "net/admin/libraries.h"

#include <stddef.h>
#include <string.h>

#include "core/io.h"
#include "core/table.h"
#include "crypto/auth.h"
#include "crypto/library.h"
#include "net/lookup/idna.h"
#include "net/lookup/resolver.h"

static const char *remark_kernel(void);
static const char *remark_wolfssl(void);
static const char *remark_sasl(void);
static enum library_state state_digest_md5(void);

static const struct {
	struct library (*ask)(void);
	const char *(*remark)(void);
} libraries[] = {
	{ io_kernel, remark_kernel },	 { io_library, NULL },	      { crypto_library, remark_wolfssl },
	{ resolver_library, NULL },	 { auth_library, remark_sasl }, { table_library_pcre, NULL },
	{ table_library_lmdb, NULL },	 { table_library_cdb, NULL }, { idna_library, NULL },
};

/* In the range are the versions from, from + 1, ... before. "Tried at each start" is crypto/tls_selftest.c. */
static const struct {
	const char *name;
	uint32_t from, before;
	const char *known;
	enum library_state state;
	enum library_state (*ask)(void);	/* NULL: always state */
	const char *guard;
} faults[] = {
	{ "wolfSSL", 0, VERSION(5, 6, 2), "CVE-2023-3724: TLS 1.3 without a key share", LIBRARY_EXPOSED, NULL,
	  "nothing: link a newer one" },
	{ "wolfSSL", 0, VERSION(5, 7, 2), "CVE-2024-5991: names are read beyond their end", LIBRARY_GUARDED, NULL,
	  "names are compared by crypto/tls_verify, never by the library" },
	{ "wolfSSL", 0, VERSION(5, 9, 1), "CVE-2026-5194: signatures over too short a digest", LIBRARY_GUARDED, NULL,
	  "one over no digest at all is tried at each start, and has to be refused" },
	{ "wolfSSL", 0, VERSION(5, 9, 4), "CVE-2026-93302: a clone of a trusted certificate is trusted", LIBRARY_GUARDED,
	  NULL, "built without trust in peers' certificates; chains are judged outside of the handshake, issuer by "
		"issuer; clones are tried at each start" },
	{ "c-ares", VERSION(1, 32, 3), VERSION(1, 34, 6), "CVE-2025-31498, CVE-2025-62408: use after free while answers "
							  "are read", LIBRARY_PARTLY, NULL,
	  "questions go without EDNS, unless smtp_dns_support_level = dnssec; a failure is not asked of the next server; "
	  "the library is never called from inside its callbacks" },
	{ "c-ares", 0, VERSION(1, 34, 7), "CVE-2026-33630: double free when a callback cancels", LIBRARY_GUARDED, NULL,
	  "nothing is ever cancelled in the library" },
	{ "c-ares", 0, VERSION(1, 19, 1), "CVE-2022-4904, CVE-2023-31130: sortlists; CVE-2023-32067: an empty datagram ends "
					  "the lookup", LIBRARY_PARTLY, NULL,
	  "no sortlist but that of /etc/resolv.conf; who waited is told to ask again. Debian's 1.18.1-3 is patched" },
	{ "Cyrus SASL", 0, VERSION(2, 1, 29), "CVE-2026-107161: DIGEST-MD5 overflows", LIBRARY_GUARDED, state_digest_md5,
	  "the plug-in is loaded only where smtp_sasl_mechanism_filter names it; Debian has patched 2.1.28+dfsg-10+deb12u1, "
	  "which the library does not say" },
	{ "PCRE2", 0, VERSION(10, 40, 0), "CVE-2022-1586, CVE-2022-1587: compiled patterns read beyond their end",
	  LIBRARY_GUARDED, NULL, "patterns are interpreted, never compiled to machine code" },
	{ "PCRE2", VERSION(10, 45, 0), VERSION(10, 46, 0), "CVE-2025-58050: (*scs:) with (*ACCEPT) reads beyond the end",
	  LIBRARY_PARTLY, NULL, "only the operator's own tables have patterns" },
};

static const char *remark_kernel(void)
{
	static char storage[160];
	struct str text = STR(storage);

	io_describe_kernel(&text);
	return text.len > 0 ? str_cstr(&text) : "no ring can be opened";
}

static const char *remark_wolfssl(void)
{
	return strstr(crypto_library_version(), "assembly") != NULL ? "with assembly" : "without assembly";
}

static const char *remark_sasl(void)
{
	static char storage[256];
	struct str text = STR(storage);

	auth_library_describe(&text);
	return text.len > 0 ? str_cstr(&text) : "not in use";
}

static enum library_state state_digest_md5(void)
{
	return auth_library_mechs() & BIT(AUTH_DIGEST_MD5) ? LIBRARY_EXPOSED : LIBRARY_GUARDED;
}

static bool is_hit(size_t fault, const char *name, const char *version)
{
	uint32_t v = version_parse(version);

	return strcmp(faults[fault].name, name) == 0 && v >= faults[fault].from && v < faults[fault].before;
}

static enum library_state state_of(size_t fault)
{
	return faults[fault].ask != NULL ? faults[fault].ask() : faults[fault].state;
}

enum library_state libraries_judge(const char *name, const char *version)
{
	enum library_state worst = LIBRARY_FINE;

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		if (is_hit(i, name, version))
			worst = MAX(worst, state_of(i));
	return worst;
}

bool libraries_report(unsigned i, struct library_report *ret_report)
{
	if (i >= ARRAY_LEN(libraries))
		return false;
	*ret_report = (struct library_report){
		.library = libraries[i].ask(),
		.remark = libraries[i].remark != NULL ? libraries[i].remark() : "",
	};
	for (size_t k = 0; k < ARRAY_LEN(faults); k++) {
		if (!is_hit(k, ret_report->library.name, ret_report->library.linked))
			continue;
		ASSERT(ret_report->fault_count < LIBRARY_FAULTS_MAX);
		ret_report->faults[ret_report->fault_count++] = (struct library_fault){
			.state = state_of(k), .known = faults[k].known, .guard = faults[k].guard,
		};
	}
	return true;
}

const char *library_state_name(enum library_state state)
{
	static const char *const names[LIBRARY_STATES] = { "fine", "guarded", "partly guarded", "exposed" };

	ASSERT(state < LIBRARY_STATES);
	return names[state];
}
