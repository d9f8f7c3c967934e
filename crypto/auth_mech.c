#include "crypto/auth_mech.h"

#define HEARD	AUTH_NO_ANONYMOUS
#define SHOWN	(AUTH_NO_PLAINTEXT | AUTH_NO_ANONYMOUS)
#define PROVED	(AUTH_NO_PLAINTEXT | AUTH_NO_ACTIVE | AUTH_NO_ANONYMOUS | AUTH_MUTUAL)

static const struct {
	const char *name;
	uint32_t properties;
} mechs[AUTH_MECH_COUNT] = {
	[AUTH_EXTERNAL] = { "EXTERNAL", AUTH_NO_PLAINTEXT | AUTH_NO_DICTIONARY | AUTH_NO_ANONYMOUS },
	[AUTH_SCRAM_SHA_256] = { "SCRAM-SHA-256", PROVED },
	[AUTH_SCRAM_SHA_1] = { "SCRAM-SHA-1", PROVED },
	[AUTH_GSSAPI] = { "GSSAPI", PROVED },
	[AUTH_DIGEST_MD5] = { "DIGEST-MD5", SHOWN | AUTH_MUTUAL },
	[AUTH_CRAM_MD5] = { "CRAM-MD5", SHOWN },
	[AUTH_NTLM] = { "NTLM", SHOWN },
	[AUTH_OAUTHBEARER] = { "OAUTHBEARER", HEARD },
	[AUTH_XOAUTH2] = { "XOAUTH2", HEARD },
	[AUTH_PLAIN] = { "PLAIN", HEARD },
	[AUTH_LOGIN] = { "LOGIN", HEARD },
	[AUTH_ANONYMOUS] = { "ANONYMOUS", AUTH_NO_PLAINTEXT },
};

const char *auth_mech_name(enum auth_mech mech)
{
	ASSERT(mech < AUTH_MECH_COUNT);
	return mechs[mech].name;
}

int auth_mech_find(struct slice name)
{
	for (int i = 0; i < AUTH_MECH_COUNT; i++)
		if (slice_eq_nocase(name, slice_of_str(mechs[i].name)))
			return i;
	return -1;
}

uint32_t auth_mech_properties(enum auth_mech mech)
{
	ASSERT(mech < AUTH_MECH_COUNT);
	return mechs[mech].properties;
}

unsigned auth_mech_rank(enum auth_mech mech)
{
	uint32_t properties = auth_mech_properties(mech);

	if (!(properties & AUTH_NO_PLAINTEXT))
		return 0;
	return properties & (AUTH_NO_ACTIVE | AUTH_NO_DICTIONARY) ? 2 : 1;
}

int auth_mech_choose(const struct auth_wish *w)
{
	uint32_t usable = w->offered & w->available & (w->named | ~(uint32_t)AUTH_BY_NAME_ONLY);

	usable &= w->has_token ? (uint32_t)AUTH_WITH_TOKEN : ~(uint32_t)AUTH_WITH_TOKEN;
	if (!w->has_certificate)
		usable &= ~(uint32_t)BIT(AUTH_EXTERNAL);
	for (int i = 0; i < AUTH_MECH_COUNT; i++)
		if ((usable & BIT(i)) && (mechs[i].properties & w->required) == w->required &&
		    auth_mech_rank((enum auth_mech)i) >= w->rank_min)
			return i;
	return -1;
}
