/* families_auth.c - servers that want to be told who we are (rows AUT-01 to AUT-07) */
#include "tests/peers/families_impl.h"

#define CACHED		"smtp_connection_cache_destinations = example.org\n"
#define CREDENTIALS	CACHED "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:user:" FAMILY_SECRET "\n"
/* Nothing that is heard may be the secret; or anything goes. */
#define HASHED		.conf = CREDENTIALS
#define ANY		.conf = CREDENTIALS "smtp_sasl_security_options =\n"

#define OFFERS(mechs_) TRICK(EHLO, 1, SAY, "250-mx1\r\n250 AUTH" mechs_ "\r\n")
#define AUTH_SAYS(mechs_, deed_, text_) { OFFERS(mechs_), TRICK(AUTH, 1, deed_, text_) }
#define STEP_SAYS(mechs_, nth_, text_) { OFFERS(mechs_), TRICK(AUTH_STEP, nth_, SAY, text_) }
#define SILENT_SECRET (FAMILY_AUTH | FAMILY_NO_SECRET)

const struct family_row family_e[] = {
	{ "PLAIN and LOGIN in clear are not heard (AUT-01)", "d", "4.7.0", { OFFERS(" PLAIN LOGIN") }, SILENT_SECRET, HASHED },
	{ "an empty list of mechanisms has none", "d", "4.7.0", { OFFERS("") }, SILENT_SECRET, ANY },
	{ "mechanisms that nobody knows are none", "d", "4.7.0", { OFFERS(" X-SECRET PLAINER PLAI") }, SILENT_SECRET, ANY },
	{ "mechanisms with a history are none (AUT-06)", "d", "4.7.0", { OFFERS("=DIGEST-MD5 NTLM GSSAPI SPNEGO") },
	  SILENT_SECRET, ANY },
	{ "ANONYMOUS is not what was asked for", "d", "4.7.0", { OFFERS(" ANONYMOUS EXTERNAL") }, SILENT_SECRET, ANY },
	{ "where AUTH is not offered the mail goes without", "s", NULL, { TRICK(EHLO, 1, SAY, "250 mx1\r\n") },
	  SILENT_SECRET | FAMILY_NO_SECOND, HASHED },
	{ "235 without a question is a yes", "s", NULL, AUTH_SAYS(" CRAM-MD5", SAY, "235 2.7.0 I know you\r\n"),
	  SILENT_SECRET | FAMILY_NO_SECOND, HASHED },
	{ "235 to SCRAM without a proof is none (AUT-05)", "d", "4.7.0",
	  AUTH_SAYS(" SCRAM-SHA-256", SAY, "235 2.7.0 I know you\r\n"), SILENT_SECRET, HASHED },
	{ "a challenge with one round is refused (AUT-05)", "d", "4.7.8",
	  AUTH_SAYS(" SCRAM-SHA-256", SAY, "334 cj14LHM9YzJGc2RBPT0saT0x\r\n"), SILENT_SECRET, HASHED },
	{ "a challenge with 4294967295 rounds is refused (AUT-05)", "d", "4.7.8",
	  AUTH_SAYS(" SCRAM-SHA-1", SAY, "334 cj14LHM9YzJGc2RBPT0saT00Mjk0OTY3Mjk1\r\n"), SILENT_SECRET, HASHED },
	{ "a nonce that is not ours is refused (AUT-05)", "d", "4.7.0",
	  AUTH_SAYS(" SCRAM-SHA-256", SAY, "334 cj14LHM9YzJGc2RBPT0saT00MDk2\r\n"), SILENT_SECRET, HASHED },
	{ "questions without end end (AUT-04)", "d", "4.7.0", STEP_SAYS(" LOGIN", 0, "334 VXNlcm5hbWU6\r\n"), FAMILY_AUTH, ANY },
	{ "a question without text is one", "s", NULL, AUTH_SAYS(" LOGIN", SAY, "334\r\n"), FAMILY_AUTH | FAMILY_NO_SECOND, ANY },
	{ "a question of several lines is none (AUT-04)", "d", "4.7.0",
	  AUTH_SAYS(" CRAM-MD5", SAY, "334-PDEu\r\n334 MkBteD4=\r\n"), SILENT_SECRET, HASHED },
	{ "a question that is not base64 is none (AUT-04)", "d", "4.7.0", AUTH_SAYS(" CRAM-MD5", SAY, "334 <1.2@mx>\r\n"),
	  SILENT_SECRET, HASHED },
	{ "a question in answer to a cancellation ends it (AUT-04)", "d", "4.7.0",
	  { OFFERS(" CRAM-MD5"), TRICK(AUTH, 1, SAY, "334 !\r\n"), TRICK(AUTH_STEP, 0, SAY, "334 PDEuMkBteD4=\r\n") },
	  SILENT_SECRET, HASHED },
	{ "a question of 4 KiB is too long (AUT-04)", "d", "4.7.0",
	  AUTH_SAYS(" CRAM-MD5", SAY, "334 " K32(K32("AAAA")) "\r\n"), SILENT_SECRET, HASHED },
	{ "a question without end ends the session within bounds (AUT-04)", "d", "4.5.0",
	  AUTH_SAYS(" CRAM-MD5", ENDLESS, "AAAA"), SILENT_SECRET, HASHED },
	{ "535 defers (AUT-07)", "d", "4.7.8", AUTH_SAYS(" PLAIN", SAY, "535 5.7.8 no\r\n"), FAMILY_AUTH, ANY },
	{ "535 with the secret in it is not quoted (AUT-08)", "d", "4.7.8",
	  AUTH_SAYS(" PLAIN", SAY, "535 5.7.8 " FAMILY_SECRET " is wrong\r\n"), FAMILY_AUTH, ANY },
	{ "a line with the secret in it that is no reply is not quoted (AUT-08)", "d", "4.5.0",
	  AUTH_SAYS(" PLAIN", SAY, FAMILY_SECRET "\r\n"), FAMILY_AUTH, ANY },
	{ "454 defers (AUT-07)", "d", "4.7.0", AUTH_SAYS(" PLAIN", SAY, "454 4.7.0 not now\r\n"), FAMILY_AUTH, ANY },
	{ "432 defers (AUT-07)", "d", "4.7.12", AUTH_SAYS(" PLAIN", SAY, "432 4.7.12 change it\r\n"), FAMILY_AUTH, ANY },
	{ "538 defers (AUT-07)", "d", "4.7.11", AUTH_SAYS(" PLAIN", SAY, "538 5.7.11 in clear?\r\n"), FAMILY_AUTH, ANY },
	{ "421 defers (AUT-07)", "d", "4.3.2", AUTH_SAYS(" CRAM-MD5", SAY_CLOSE, "421 4.3.2 bye\r\n"), SILENT_SECRET, HASHED },
	{ "500 to AUTH defers", "d", "4.5.1", AUTH_SAYS(" CRAM-MD5", SAY, "500 5.5.1 what\r\n"), SILENT_SECRET, HASHED },
	{ "no answer to AUTH costs smtp_helo_timeout", "d", "4.4.2", AUTH_SAYS(" CRAM-MD5", MUTE, ""), SILENT_SECRET, HASHED,
	  .limit_s = 300 },
	{ "a close in AUTH defers", "d", "4.4.2", AUTH_SAYS(" CRAM-MD5", SAY_CLOSE, ""), SILENT_SECRET, HASHED },
	{ "a reset in AUTH defers", "d", "4.4.2", AUTH_SAYS(" CRAM-MD5", SAY_RESET, ""), SILENT_SECRET, HASHED },
	{ "a close behind the question defers", "d", "4.4.2",
	  AUTH_SAYS(" CRAM-MD5", SAY_CLOSE, "334 PDEuMkBteD4=\r\n"), SILENT_SECRET | FAMILY_UNRULY, HASHED },
	{ "354 to AUTH is no question", "d", "4.7.0", AUTH_SAYS(" CRAM-MD5", SAY, "354 go ahead\r\n"), SILENT_SECRET, HASHED },
	{ "250 to AUTH is a yes", "s", NULL, AUTH_SAYS(" PLAIN", SAY, "250 2.0.0 fine\r\n"), FAMILY_AUTH | FAMILY_NO_SECOND, ANY },
	{ "235 octet by octet is a yes", "s", NULL,
	  { OFFERS(" PLAIN"), TIMED(AUTH, 1, TRICKLE, "235 2.7.0 hello\r\n", 1) }, FAMILY_AUTH | FAMILY_NO_SECOND, ANY,
	  .limit_s = 30 },
	{ "235 and something behind it is out of step (RPL-08)", "?", NULL,
	  AUTH_SAYS(" PLAIN", SAY, "235 2.7.0 hello\r\n250 2.1.0 ok\r\n"), FAMILY_AUTH | FAMILY_UNRULY, ANY },
	{ "530 to MAIL after a yes is a no", "b", "5.7.0",
	  { OFFERS(" PLAIN"), TRICK(MAIL, 1, SAY, "530 5.7.0 who are you?\r\n") }, FAMILY_AUTH | FAMILY_NO_SECOND, ANY },
	{ "AUTH offered in the reply to MAIL is nothing", "s", NULL,
	  { TRICK(EHLO, 1, SAY, "250 mx1\r\n"), TRICK(MAIL, 1, SAY, "250-2.1.0 ok\r\n250 AUTH PLAIN\r\n") },
	  SILENT_SECRET | FAMILY_NO_SECOND, ANY },
};
const unsigned family_e_count = ARRAY_LEN(family_e);
