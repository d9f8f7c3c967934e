#include "net/delivery/credentials.h"

#include "core/err.h"
#include "core/map.h"

#define VALUE_MAX (AUTH_USER_MAX + 1 + AUTH_SECRET_MAX)

/* 1, 0 or a negative error; *ret_key is what has been asked for last. */
static int look_up(const struct generic_conf *conf, const struct credentials_peer *peer, struct str *value,
		   struct slice *ret_key)
{
	const struct params *p = conf->params;
	int r = 0;

	if (p->smtp_sender_dependent_authentication && peer->sender.len > 0 && !p->is_lmtp) {
		*ret_key = peer->sender;
		r = generic_find_in(conf, peer->sender, p->smtp_sasl_password_maps, value);
	}
	if (r == 0) {
		*ret_key = peer->host;
		r = maps_find(p->smtp_sasl_password_maps, peer->host, 0, value);
	}
	if (r == 0) {
		*ret_key = peer->destination;
		r = maps_find(p->smtp_sasl_password_maps, peer->destination, 0, value);
	}
	return r;
}

static int take_text(struct slice text, char *ret_text, size_t max)
{
	if (text.len > max || memchr(text.ptr, '\0', text.len) != NULL)
		return ERR_TABLE;
	memcpy(ret_text, text.ptr, text.len);
	ret_text[text.len] = '\0';
	return 0;
}

/* What has no delimiter is a user without a password (case 340). */
static int divide(const struct params *p, struct slice value, struct auth_credentials *ret)
{
	ptrdiff_t at = value.len > 0 ? slice_find_char(value, 0, p->smtp_sasl_password_result_delimiter[0]) : -1;
	struct slice user = at < 0 ? value : slice_head(value, (size_t)at);
	struct slice secret = at < 0 ? SLICE("") : slice_of(value.ptr + at + 1, value.len - (size_t)at - 1);

	ret->user_len = user.len;
	ret->secret.len = secret.len;
	if (take_text(user, ret->user, AUTH_USER_MAX) < 0)
		return ERR_TABLE;
	return take_text(secret, ret->secret.octets, AUTH_SECRET_MAX);
}

int credentials_find(const struct generic_conf *conf, const struct credentials_peer *peer,
		     struct auth_credentials *ret, struct str *why)
{
	char storage[VALUE_MAX];
	struct str value = STR(storage);
	struct slice key = { 0 };
	int r = look_up(conf, peer, &value, &key);

	if (r < 0)
		str_printf(why, "smtp_sasl_password_maps: lookup of %.*s failed: %s", SLICE_FMT(slice_head(key, 200)),
			   err_text(r));
	else if (r > 0 && divide(conf->params, str_slice(&value), ret) < 0) {
		str_printf(why, "smtp_sasl_password_maps: what there is for %.*s is too long, or has a NUL in it",
			   SLICE_FMT(slice_head(key, 200)));
		r = ERR_TABLE;
	}
	explicit_bzero(storage, sizeof(storage));
	return r < 0 ? ERR_TABLE : r;
}

static uint64_t hash(const uint64_t salt[2], const struct auth_credentials *c, struct slice more)
{
	char storage[AUTH_USER_MAX + 1 + AUTH_SECRET_MAX];
	struct str text = STR(storage);

	str_add(&text, slice_of(c->user, c->user_len + 1));	/* with its NUL: no other pair looks like it */
	str_add_cut(&text, more, sizeof(storage));
	uint64_t h = map_siphash(salt, str_slice(&text));

	explicit_bzero(storage, sizeof(storage));
	return h | 1;		/* none is zero */
}

void credentials_id_of(const struct auth_credentials *c, struct slice host, const struct credentials_salt *salt,
		       struct credentials_id *ret_id)
{
	struct slice secret = slice_of(c->secret.octets, c->secret.len);

	ret_id->words[0] = hash(salt->words[0], c, secret);
	ret_id->words[1] = hash(salt->words[1], c, secret);
	ret_id->account = hash(salt->words[2], c, host);
}

int credentials_identify(const struct generic_conf *conf, const struct credentials_peer *peer,
			 const struct credentials_salt *salt, struct credentials_id *ret_id, struct str *why)
{
	struct auth_credentials c;
	int r = credentials_find(conf, peer, &c, why);

	*ret_id = (struct credentials_id){ 0 };
	if (r > 0) {
		credentials_id_of(&c, peer->host, salt, ret_id);
		explicit_bzero(&c, sizeof(c));
	}
	return r;
}
