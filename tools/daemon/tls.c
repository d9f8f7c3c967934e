/* tls.c - the TLS library proves itself; contexts for the cores, users of the listener: at start and again on HUP */
#include "tools/daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/file.h"
#include "core/log.h"
#include "crypto/auth.h"
#include "crypto/library.h"
#include "crypto/tls_anchors.h"
#include "crypto/tls_cipher.h"
#include "crypto/tls_selftest.h"
#include "net/delivery/tls_policy.h"
#include "net/smtp/session_auth.h"
#include "net/source/inject_tls.h"

#define ANCHOR_FILE_MAX KIB(256)

int tls_prove(void)
{
	int r = crypto_library_start();

	if (r == 0)
		r = tls_selftest();
	if (r == 0)
		return 0;
	startup_say("%s fails the self-test: %s; it is not to be trusted with a certificate", crypto_library_version(),
		    err_text(r));
	return EX_SOFTWARE;
}

int auth_prove(const struct params *p)
{
	const uint32_t usual = BIT(AUTH_SCRAM_SHA_256) | BIT(AUTH_CRAM_MD5) | BIT(AUTH_PLAIN) | BIT(AUTH_LOGIN);
	char storage[512];
	struct str text = STR(storage);

	if (!p->smtp_sasl_auth_enable)
		return 0;
	int r = auth_library_start(session_auth_by_name(p));

	auth_library_describe(&text);
	if (r < 0) {
		startup_say("%s cannot be used: %s", str_cstr(&text), err_text(r));
		return EX_SOFTWARE;
	}
	if ((auth_library_mechs() & usual) != usual)
		startup_say("warning: smtp_sasl_auth_enable: plug-ins are missing (Debian: libsasl2-modules); there are: %s",
			    str_cstr(&text));
	return 0;
}

static bool is_wanted(const struct params *p)
{
	return p->smtp_tls_security_level > TLS_LEVEL_NONE || p->smtp_tls_policy_maps != NULL ||
	       p->smtp_tls_per_site != NULL || p->smtp_tls_wrappermode;
}

/* One pair is all that the library can offer to a server: chain files, else RSA, else ECDSA. first is where the name of
 * the first chain file goes. */
static void choose_pair(const struct params *p, struct tls_context_conf *conf, char *first, size_t size)
{
	struct slice list = slice_of_str(p->smtp_tls_chain_files);
	struct slice file = conf_list_next(&list);
	struct str path = str_over(first, size);

	if (file.len > 0) {
		str_add(&path, file);
		conf->cert_file = str_cstr(&path);
		conf->key_file = conf->cert_file;
	} else if (p->smtp_tls_cert_file[0] != '\0') {
		conf->cert_file = p->smtp_tls_cert_file;
		conf->key_file = p->smtp_tls_key_file;
	} else {
		conf->cert_file = p->smtp_tls_eccert_file;
		conf->key_file = p->smtp_tls_eckey_file;
	}
}

static int load_anchor_file(struct tls_dane *anchors, const char *path)
{
	char *text;
	size_t len;
	int r = file_read(path, ANCHOR_FILE_MAX, &text, &len);

	if (r < 0)
		return r;
	r = tls_anchors_add(anchors, slice_of(text, len));
	free(text);
	return r;
}

/* False: there are none. TLS is to be had all the same; the levels that need them make mail wait (B 7.2). */
static bool load_anchors(const struct params *p, struct tls_dane *anchors)
{
	struct slice rest = slice_of_str(p->smtp_tls_trust_anchor_file), file;

	while ((file = conf_list_next(&rest)).len > 0) {
		char storage[512];
		struct str path = STR(storage);

		str_add(&path, file);
		int r = str_is_full(&path) ? -ENAMETOOLONG : load_anchor_file(anchors, str_cstr(&path));

		if (r == 0)
			continue;
		log_line(LOG_LEVEL_WARNING, "smtp", "smtp_tls_trust_anchor_file: %.*s: %s", SLICE_FMT(file),
			 r == ERR_SYNTAX ? "no certificate and no public key that can be used" :
			 r == -ENOBUFS	 ? "more trust anchors than there is room for" : err_text(r));
		return false;
	}
	return anchors->count > 0;
}

int tls_contexts_make(const struct params *p, struct tls_context **ret_contexts, unsigned count)
{
	struct tls_context_conf conf = {
		.ca_file = p->smtp_tls_CAfile,
		.ca_path = p->smtp_tls_CApath,
		.system_cas = p->tls_append_default_CA,
		.now_ns = clock_wall_ns(),
	};
	struct tls_dane anchors = { 0 };
	char first[512], text[768], groups[1024];
	struct str list = STR(groups);
	struct str why = STR(text);
	int r = 0;

	memset(ret_contexts, 0, count * sizeof(struct tls_context *));
	if (!is_wanted(p))
		return 0;
	choose_pair(p, &conf, first, sizeof(first));
	str_add_cut(&list, slice_of_str(p->tls_eecdh_auto_curves), 500);
	str_add_char(&list, ' ');
	str_add_cut(&list, slice_of_str(p->tls_ffdhe_auto_groups), 500);
	conf.groups = str_cstr(&list);
	if (load_anchors(p, &anchors))
		conf.anchors = &anchors;
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = tls_context_new(&conf, &why, &ret_contexts[i]);
	if (r == 0)
		return 0;
	log_line(LOG_LEVEL_WARNING, "smtp", "TLS is not to be had: %s", str_cstr(&why));
	for (unsigned i = 0; i < count; i++)
		tls_context_retire(&ret_contexts[i]);
	return r;
}

/* --- the listener's ------------------------------------------------------------------------------- */

static int inject_conf(const struct params *p, struct tls_serve_conf *conf, struct str *ciphers, struct str *why)
{
	const bool may = p->smtpd_tls_security_level == INJECT_TLS_MAY;
	const unsigned versions = tls_policy_versions(
		slice_of_str(may ? p->smtpd_tls_protocols : p->smtpd_tls_mandatory_protocols));

	*conf = (struct tls_serve_conf){
		.cert_file = p->smtpd_tls_cert_file,
		.key_file = p->smtpd_tls_key_file,
		.only_old = !(versions & BIT(1)),
		.only_new = !(versions & BIT(0)),
		.now_ns = clock_wall_ns(),
	};
	if (versions == 0) {
		str_printf(why, "%s leaves no version", may ? "smtpd_tls_protocols" : "smtpd_tls_mandatory_protocols");
		return ERR_SYNTAX;
	}
	if (tls_ciphers_choose(NULL, slice_of_str(p->smtpd_tls_exclude_ciphers), ciphers) < 0 || str_is_full(ciphers)) {
		str_add_cstr(why, "smtpd_tls_exclude_ciphers leaves no cipher");
		return ERR_SYNTAX;
	}
	conf->ciphers = str_cstr(ciphers);
	return 0;
}

int tls_inject_contexts_make(const struct params *p, struct tls_context **ret_contexts, unsigned count, struct str *why)
{
	char names[TLS_CIPHERS_MAX];
	struct str ciphers = STR(names);
	struct tls_serve_conf conf;

	memset(ret_contexts, 0, count * sizeof(struct tls_context *));
	if (!inject_tls_is_wanted(p))
		return 0;
	int r = inject_conf(p, &conf, &ciphers, why);

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = tls_context_new_server(&conf, why, &ret_contexts[i]);
	for (unsigned i = 0; r < 0 && i < count; i++)
		tls_context_retire(&ret_contexts[i]);
	return r;
}

/* --- users ---------------------------------------------------------------------------------------- */

int users_read(const struct params *p, struct str *why, struct passwords **ret_users)
{
	char reason[128], *text = NULL;
	struct str what = STR(reason);
	size_t len = 0;

	*ret_users = NULL;
	if (!p->smtpd_sasl_auth_enable)
		return 0;
	int r = file_read(p->inject_smtp_password_file, PASSWORDS_FILE_MAX, &text, &len);

	if (r < 0)
		str_add_cstr(&what, err_text(r));
	else
		r = passwords_new(slice_of(text, len), &what, ret_users);
	if (r < 0)
		str_printf(why, "inject_smtp_password_file: %s: %s", p->inject_smtp_password_file, str_cstr(&what));
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
	return r;
}
