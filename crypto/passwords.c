#include "crypto/passwords.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/random.h"

struct entry {
	struct slice user;		/* in passwords.text */
	unsigned line;
	struct password password;
};

struct passwords {
	char *text;			/* of all users */
	size_t text_len;
	struct entry *entries;		/* by user */
	unsigned count;
	bool all_scram;
	struct password first;		/* of the file: nobody looks like this */
	uint8_t secret[SCRAM_KEY_SIZE];
};

/* --- reading -------------------------------------------------------------------------------------- */

static int read_crypt(struct slice secret, struct password *p)
{
	p->kind = PASSWORD_CRYPT;
	memcpy(p->setting, secret.ptr, secret.len);
	p->setting[secret.len] = '\0';
	/* A locked account ("!", "*") is none of anybody's. */
	const int r = crypt_checksalt(p->setting);

	return secret.len > 0 && (r == CRYPT_SALT_OK || r == CRYPT_SALT_METHOD_LEGACY) ? 0 : ERR_SYNTAX;
}

static int read_scram(struct slice secret, struct password *p)
{
	p->kind = PASSWORD_SCRAM;
	return scram_verifier_parse(secret, &p->scram);
}

static int read_plain(struct slice secret, struct password *p)
{
	p->kind = PASSWORD_SCRAM;
	return secret.len > 0 ? scram_verifier_make(secret, &p->scram) : ERR_SYNTAX;
}

static const struct {
	struct slice name;
	int (*read)(struct slice secret, struct password *p);
} schemes[] = {
	{ SLICE(""), read_crypt },
	{ SLICE("{CRYPT}"), read_crypt },
	{ SLICE("{BLF-CRYPT}"), read_crypt },
	{ SLICE("{SHA256-CRYPT}"), read_crypt },
	{ SLICE("{SHA512-CRYPT}"), read_crypt },
	{ SLICE("{SCRAM-SHA-256}"), read_scram },
	{ SLICE("{PLAIN}"), read_plain },
	{ SLICE("{CLEARTEXT}"), read_plain },
};

static const char *read_secret(struct slice secret, struct password *p)
{
	struct slice scheme = SLICE("");

	if (secret.len > 0 && secret.ptr[0] == '{') {
		const ptrdiff_t end = slice_find_char(secret, 0, '}');

		if (end < 0)
			return "a scheme without '}'";
		scheme = slice_head(secret, (size_t)end + 1);
		slice_skip(&secret, scheme.len);
	}
	if (secret.len > PASSWORD_SECRET_MAX)
		return "a secret that is too long";
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (slice_eq_nocase(scheme, schemes[i].name))
			return schemes[i].read(secret, p) == 0 ? NULL : "not a secret of its scheme";
	return "a scheme that is not known: PLAIN, SCRAM-SHA-256 or CRYPT";
}

static const char *read_line(struct passwords *p, struct slice line, unsigned number)
{
	const ptrdiff_t colon = slice_find_char(line, 0, ':');

	if (p->count == PASSWORDS_MAX)
		return "too many users";
	if (memchr(line.ptr, '\0', line.len) != NULL)
		return "a NUL octet";
	if (colon <= 0 || colon > (ptrdiff_t)PASSWORD_USER_MAX)
		return "not of the form user:secret";
	struct entry *e = &p->entries[p->count];
	struct slice secret = slice_of(line.ptr + colon + 1, line.len - (size_t)colon - 1);
	const ptrdiff_t rest = slice_find_char(secret, 0, ':');
	const char *why = read_secret(slice_head(secret, rest < 0 ? secret.len : (size_t)rest), &e->password);

	if (why != NULL)
		return why;
	e->line = number;
	e->user = slice_of(p->text + p->text_len, (size_t)colon);
	memcpy(p->text + p->text_len, line.ptr, e->user.len);
	p->text_len += e->user.len;
	p->all_scram &= e->password.kind == PASSWORD_SCRAM;
	if (p->count++ == 0)
		p->first = e->password;
	return NULL;
}

static int compare_slices(struct slice a, struct slice b)
{
	const int order = memcmp(a.ptr, b.ptr, MIN(a.len, b.len));

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
	return compare_slices(((const struct entry *)a)->user, ((const struct entry *)b)->user);
}

static int read_all(struct passwords *p, struct slice text, struct str *why)
{
	unsigned number = 0;

	while (text.len > 0) {
		const ptrdiff_t lf = slice_find_char(text, 0, '\n');
		struct slice line = slice_head(text, lf < 0 ? text.len : (size_t)lf);

		slice_skip(&text, line.len + (lf >= 0));
		line = slice_trim(line);
		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		const char *wrong = read_line(p, line, number);

		if (wrong != NULL) {
			str_printf(why, "line %u: %s", number, wrong);
			return ERR_SYNTAX;
		}
	}
	if (p->count == 0) {
		str_add_cstr(why, "no user");
		return ERR_SYNTAX;
	}
	qsort(p->entries, p->count, sizeof(*p->entries), compare);
	for (unsigned i = 1; i < p->count; i++) {
		if (!slice_eq(p->entries[i - 1].user, p->entries[i].user))
			continue;
		str_printf(why, "line %u: a user of line %u", MAX(p->entries[i - 1].line, p->entries[i].line),
			   MIN(p->entries[i - 1].line, p->entries[i].line));
		return ERR_SYNTAX;
	}
	return 0;
}

static size_t count_lines(struct slice text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '\n';
	return MIN(count, PASSWORDS_MAX + (size_t)0);
}

int passwords_new(struct slice text, struct str *why, struct passwords **ret_passwords)
{
	struct passwords *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	str_clear(why);
	if (p != NULL) {
		p->all_scram = true;
		random_fill(p->secret, sizeof(p->secret));
		p->text = malloc(MAX(text.len, (size_t)1));
		p->entries = calloc(count_lines(text), sizeof(*p->entries));
		if (p->text != NULL && p->entries != NULL)
			r = read_all(p, text, why);
	}
	if (r == 0)
		*ret_passwords = p;
	else
		passwords_free(&p);
	if (r < 0 && why->len == 0)
		str_add_cstr(why, err_text(r));
	return r;
}

void passwords_free(struct passwords **passwords)
{
	struct passwords *p = *passwords;

	*passwords = NULL;
	if (p == NULL)
		return;
	if (p->entries != NULL)
		explicit_bzero(p->entries, p->count * sizeof(*p->entries));
	free(p->entries);
	free(p->text);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

/* --- asking --------------------------------------------------------------------------------------- */

bool passwords_know_scram(const struct passwords *p)
{
	return p->all_scram;
}

void passwords_find(const struct passwords *p, struct slice user, struct password *ret_password)
{
	unsigned from = 0, to = p->count;

	while (from < to) {
		const unsigned middle = from + (to - from) / 2;
		const int order = compare_slices(p->entries[middle].user, user);

		if (order == 0) {
			*ret_password = p->entries[middle].password;
			return;
		}
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*ret_password = p->first;
	ret_password->kind = PASSWORD_NOBODY;
	scram_verifier_fake(&ret_password->scram, slice_of(p->secret, sizeof(p->secret)), user);
}

static bool crypt_matches(const char *setting, const char *text)
{
	struct crypt_data data;

	memset(&data, 0, sizeof(data));
	const char *hash = crypt_rn(text, setting, &data, sizeof(data));
	const size_t len = strlen(setting);
	unsigned char differs = hash == NULL || strlen(hash) != len;

	for (size_t i = 0; i < len && hash != NULL && hash[i] != '\0'; i++)
		differs |= (unsigned char)(hash[i] ^ setting[i]);
	explicit_bzero(&data, sizeof(data));
	return !differs;
}

bool password_matches(const struct password *p, const char *text)
{
	/* Nobody takes as long as the others, and never is right. */
	const bool is_crypt = p->kind == PASSWORD_CRYPT || (p->kind == PASSWORD_NOBODY && p->setting[0] != '\0');
	const bool matches = is_crypt ? crypt_matches(p->setting, text) :
					scram_verifier_matches(&p->scram, slice_of_str(text));

	return matches && p->kind != PASSWORD_NOBODY;
}
