/* params_table_tls.h - rows of net/params_table.h: TLS and SASL authentication */
#pragma once

#define PARAM_TLS_EXCLUDED ":!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5"

/* In the order of enum param_requiretls. */
#define PARAM_REQUIRETLS_WORDS "disable opportunistic opportunistic+starttls enforce error"

#define PARAMS_TLS(X) \
X(HEADING, tls, "", 0, 0, "TLS", "TLS: when, and how strict") \
X(ENUM, smtp_tls_security_level, "may", 0, 1, "none may encrypt fingerprint dane dane-only verify secure", \
	"The least that is asked of a session: nothing, TLS when offered, TLS always, or TLS with " \
	"a certificate that matches. When it is empty, or not set while one of the next three is, " \
	"those decide.") \
X(BOOL, smtp_use_tls, "no", 0, 0, NULL, \
	"The old way to say may.") \
X(BOOL, smtp_enforce_tls, "no", 0, 0, NULL, \
	"The old way to say verify, or encrypt when smtp_tls_enforce_peername is no.") \
X(BOOL, smtp_tls_enforce_peername, "yes", 0, 0, NULL, \
	"With smtp_enforce_tls: the certificate has to match the name of the server.") \
X(MAPS, smtp_tls_policy_maps, "", 1, 0, NULL, \
	"Tables from a destination, as it is configured, to a security level and attributes.") \
X(MAPS, smtp_tls_per_site, "", 1, 0, NULL, \
	"The old tables from a destination or server to NONE, MAY, MUST or MUST_NOPEERMATCH. " \
	"Ignored when smtp_tls_policy_maps is set.") \
X(BOOL, smtp_tls_wrappermode, "no", 0, 0, NULL, \
	"TLS from the first octet, as on port 465. Needs a level of encrypt or more.") \
X(TIME, smtp_starttls_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For STARTTLS and its reply, the handshake, and the end of TLS.") \
X(BOOL, smtp_tls_note_starttls_offer, "no", 0, 0, NULL, \
	"Log servers that offer STARTTLS where it is not used.") \
X(STR, smtp_tls_loglevel, "0", 1, 0, NULL, \
	"What is logged of TLS: 0 nothing, 1 a line for each session, 2 and more for debugging.") \
X(MAPS, smtp_tls_loglevel_maps, "", 0, 0, NULL, \
	"Tables from a server to what is logged of TLS with it.") \
X(BOOL, smtp_log_tls_feature_status, "yes", 0, 0, NULL, \
	"Say in the line of each recipient how the session was protected: tls=may, tls=may:none when the server has no " \
	"TLS, tls=!encrypt when it had to have it, tls=may? when the connection was lost before that was known.") \
X(BOOL, smtp_tls_connection_reuse, "no", 0, 0, NULL, \
	"Keep sessions with TLS for the next message, too.") \
X(BOOL, smtp_tls_block_early_mail_reply, "no", 0, 0, NULL, \
	"Look once more, just before MAIL is sent in TLS, for a reply that is there already: then the server is left. What " \
	"has been read by then is looked at in any case.") \
X(STR, smtp_tls_servername, "", 0, 0, NULL, \
	"The name sent with the handshake (SNI): a host name, hostname, or nexthop. Empty: none, but " \
	"for DANE.") \
X(BOOL, tls_required_enable, "yes", 0, 0, NULL, \
	"A message with the header field TLS-Required: no (RFC 8689) needs no more than the level may (in wrapper mode " \
	"encrypt), whatever the tables say.") \
X(BOOL, requiretls_enable, "yes", 0, 0, NULL, \
	"Honour REQUIRETLS (RFC 8689), as smtp_requiretls_policy says.") \
X(MAPS, smtp_requiretls_policy, "inline:{ {$mydomain = opportunistic}, {.$mydomain = opportunistic}, " \
	"{localhost = opportunistic} }, cidr:{ {0.0.0.0/0 opportunistic}, {::/0 opportunistic} }, enforce", \
	1, 0, PARAM_REQUIRETLS_WORDS, \
	"What REQUIRETLS means for a destination, by its domain or .parent, or its address: the first table that knows " \
	"it, or word. With enforce, mail goes only to a server that has shown a certificate that matches and offers " \
	"REQUIRETLS, and bounces when no host does; with opportunistic+starttls a session has to have TLS; with " \
	"opportunistic REQUIRETLS is passed on where it is offered. The end of the list means enforce.") \
X(BOOL, requiretls_redact_dsn, "yes", 0, 0, NULL, \
	"Leave the content out of reports about messages with REQUIRETLS.") \
X(BOOL, requiretls_esmtp_header, "yes", 0, 0, NULL, \
	"Note REQUIRETLS in a header field.") \
X(BOOL, smtp_tlsrpt_enable, "no", 0, 0, NULL, \
	"Count for each domain that asks for TLS reports (RFC 8460) how TLS went on each connection, and once a day " \
	"write a report and mail it. Reports are not signed here: RFC 8460 wants them signed with DKIM, by the relay " \
	"that they pass.") \
X(STR, smtp_tlsrpt_socket_name, "", 0, 0, NULL, \
	"The datagram socket of a collector of such counts.") \
X(BOOL, smtp_tlsrpt_skip_reused_handshakes, "no", 0, 0, NULL, \
	"Do not count resumed TLS sessions.") \
X(PATH, tlsrpt_directory, "$spool_directory/tlsrpt", 1, 0, NULL, \
	"Where TLS reports are written, and counts until then. Files of reports (.json) are never removed; those of " \
	"counts (.counts) are ours.") \
X(STR, tlsrpt_organization, "$mydomain", 1, 0, NULL, \
	"Who we are, in TLS reports.") \
X(STR, tlsrpt_contact, "postmaster@$mydomain", 1, 0, NULL, \
	"Whom to ask about TLS reports; their sender, too.") \
X(TIME, tlsrpt_interval, "1d", 1, 604800, "d", \
	"What one TLS report is about, from midnight UTC on. RFC 8460 knows days only. Reports are sent up to a sixth of " \
	"it later.") \
X(HEADING, tls_trust, "", 0, 0, "TLS", "TLS: whom to trust") \
X(PATH, smtp_tls_CAfile, "", 0, 0, NULL, \
	"A file with the certificates of trusted authorities.") \
X(PATH, smtp_tls_CApath, "", 0, 0, NULL, \
	"A directory with the certificates of trusted authorities. It is read whole, at start and on HUP.") \
X(BOOL, tls_append_default_CA, "no", 0, 0, NULL, \
	"Trust the system's authorities, too.") \
X(STR, smtp_tls_trust_anchor_file, "", 0, 0, NULL, \
	"Files with certificates or keys that alone are trusted, instead of the authorities.") \
X(INT, smtp_tls_scert_verifydepth, "9", 0, 100, NULL, \
	"The most certificates between that of a server and a trusted one.") \
X(STR, smtp_tls_verify_cert_match, "hostname", 0, 0, NULL, \
	"Which name the certificate must have at the level verify: hostname, nexthop, dot-nexthop, or " \
	"names.") \
X(STR, smtp_tls_secure_cert_match, "nexthop, dot-nexthop", 0, 0, NULL, \
	"The same at the level secure.") \
X(STR, smtp_tls_fingerprint_cert_match, "", 0, 0, NULL, \
	"Fingerprints of certificates or keys that match at the level fingerprint.") \
X(STR, smtp_tls_fingerprint_digest, "sha256", 1, 0, NULL, \
	"The digest that makes those fingerprints.") \
X(ENUM, smtp_tls_dane_insecure_mx_policy, "dane", 0, 0, "may encrypt dane", \
	"What secure TLSA records are worth when the MX records were not secure.") \
X(BOOL, smtp_tls_force_insecure_host_tlsa_lookup, "no", 0, 0, NULL, \
	"Ask for TLSA records even when the addresses of the host were not secure.") \
X(STR, tls_dane_digests, "sha512 sha256", 0, 0, NULL, \
	"The digests that are accepted in TLSA records, the best one first.") \
X(STR, tls_dane_digest_agility, "", 0, 0, NULL, "Gone from Postfix.") \
X(STR, tls_dane_trust_anchor_digest_enable, "", 0, 0, NULL, "Gone from Postfix.") \
X(BOOL, smtp_tls_enforce_sts_mx_patterns, "yes", 0, 0, NULL, \
	"Skip servers that an MTA-STS policy in smtp_tls_policy_maps does not list.") \
X(BOOL, smtp_tls_enable_rpk, "no", 0, 0, NULL, \
	"Ask for raw public keys (RFC 7250).") \
X(HEADING, tls_own, "", 0, 0, "TLS", "TLS: our own certificate") \
X(PATH, smtp_tls_cert_file, "", 0, 0, NULL, \
	"A file with our RSA certificate and those above it.") \
X(PATH, smtp_tls_key_file, "$smtp_tls_cert_file", 0, 0, NULL, \
	"The file with its key.") \
X(PATH, smtp_tls_eccert_file, "", 0, 0, NULL, \
	"A file with our ECDSA certificate.") \
X(PATH, smtp_tls_eckey_file, "$smtp_tls_eccert_file", 0, 0, NULL, \
	"The file with its key.") \
X(PATH, smtp_tls_dcert_file, "", 0, 0, NULL, \
	"A file with our DSA certificate.") \
X(PATH, smtp_tls_dkey_file, "$smtp_tls_dcert_file", 0, 0, NULL, \
	"The file with its key.") \
X(STR, smtp_tls_chain_files, "", 0, 0, NULL, \
	"Files with a key, its certificate and those above it; they stand for all of the above.") \
X(HEADING, tls_details, "", 0, 0, "TLS", "TLS: versions, ciphers, sessions") \
X(STR, smtp_tls_protocols, ">=TLSv1", 0, 0, NULL, \
	"The versions at the level may: >=TLSv1.2, <=TLSv1.3, !TLSv1 and the like.") \
X(STR, smtp_tls_mandatory_protocols, ">=TLSv1", 0, 0, NULL, \
	"The versions at all higher levels.") \
X(ENUM, smtp_tls_ciphers, "medium", 0, 0, "null export low medium high", \
	"The least grade of ciphers at the level may.") \
X(ENUM, smtp_tls_mandatory_ciphers, "medium", 0, 0, "null export low medium high", \
	"The least grade of ciphers at all higher levels.") \
X(STR, smtp_tls_exclude_ciphers, "", 0, 0, NULL, \
	"Ciphers that are never used.") \
X(STR, smtp_tls_mandatory_exclude_ciphers, "", 0, 0, NULL, \
	"Ciphers that are not used at the levels above may, besides those.") \
X(STR, smtp_tls_cipherlist, "", 0, 0, NULL, \
	"The old list of ciphers for sessions that must have TLS.") \
X(STR, tls_high_cipherlist, "aNULL:-aNULL:HIGH:@STRENGTH" PARAM_TLS_EXCLUDED, 0, 0, NULL, \
	"What the grade high is.") \
X(STR, tls_medium_cipherlist, "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH" PARAM_TLS_EXCLUDED, 0, 0, NULL, \
	"What the grade medium is.") \
X(STR, tls_null_cipherlist, "eNULL:!aNULL", 0, 0, NULL, \
	"What the grade null is.") \
X(STR, tls_low_cipherlist, "", 0, 0, NULL, "Gone from Postfix.") \
X(STR, tls_export_cipherlist, "", 0, 0, NULL, "Gone from Postfix.") \
X(STR, tls_eecdh_auto_curves, "X25519 X448 prime256v1 secp384r1 secp521r1", 0, 0, NULL, \
	"Elliptic curves that are offered, the one we like best first. X448 is not built in, and passed over.") \
X(STR, tls_ffdhe_auto_groups, "ffdhe2048 ffdhe3072", 0, 0, NULL, \
	"Finite fields that are offered, behind the curves. Only ffdhe2048 is built in.") \
X(BOOL, tls_fast_shutdown_enable, "yes", 0, 0, NULL, \
	"Do not wait for the server's end of TLS.") \
X(STR, smtp_tls_session_cache_database, "", 0, 0, NULL, \
	"Resume TLS sessions with servers that allow it. Any table name will do (btree:${data_directory}/smtp_scache, as " \
	"Postfix has it), but no file is opened: what is kept are secrets, and they stay in the memory of the core that " \
	"has them, 4096 of them at most, until HUP or the end of the process. Empty: each session has a whole handshake.") \
X(TIME, smtp_tls_session_cache_timeout, "3600s", 0, PARAM_TIME_MAX, "s", \
	"How long a TLS session may be resumed after the server has shown its certificate. 0: never; at least two minutes " \
	"otherwise, and at most 100 days.") \
X(INT, tls_daemon_random_bytes, "32", 1, PARAM_U32, NULL, \
	"How much chance a process asks for at start. The TLS library asks the kernel by itself.") \
X(INT, smtp_tls_trace_size_limit, "102400", 0, PARAM_U32, NULL, "The size of a transcript of TLS.") \
X(INT, tls_trace_rate_limit, "1", 0, PARAM_U32, NULL, "How often transcripts of TLS are written.") \
X(STR, tls_disable_workarounds, "", 0, 0, NULL, "Work-arounds of another TLS library.") \
X(STR, tls_ssl_options, "", 0, 0, NULL, "Options of another TLS library.") \
X(STR, tls_config_file, "default", 0, 0, NULL, "The configuration file of another TLS library.") \
X(STR, tls_config_name, "", 0, 0, NULL, "A section of that file.") \
X(BOOL, tls_wildcard_matches_multiple_labels, "yes", 0, 0, NULL, \
	"A star in a certificate always matches exactly one label, whatever this says.") \
X(STR, tlsmgr_service_name, "tlsmgr", 1, 0, NULL, "A process that Postfix has.") \
X(STR, tlsproxy_service_name, "tlsproxy", 1, 0, NULL, "A process that Postfix has.")

#define PARAM_SASL_WORDS "noplaintext noactive nodictionary noanonymous mutual_auth forward_secrecy"

#define PARAMS_SASL(X) \
X(HEADING, sasl, "", 0, 0, "authentication", "Authentication") \
X(BOOL, smtp_sasl_auth_enable, "no", 0, 0, NULL, \
	"Authenticate to servers for which smtp_sasl_password_maps has credentials.") \
X(MAPS, smtp_sasl_password_maps, "", 1, 0, NULL, \
	"Tables from a sender (smtp_sender_dependent_authentication), the name of a server, or a destination as it is " \
	"configured, with brackets and port, to user:password; the first that is found counts. Without credentials, mail " \
	"is sent unauthenticated; when the lookup fails, it waits. user:oauth2:/file takes a token out of that file, " \
	"each time that one is needed, for the mechanisms XOAUTH2 and OAUTHBEARER. Keep them in files that nobody else " \
	"may read (texthash:), not in main.cf.") \
X(STR, smtp_sasl_password_result_delimiter, ":", 1, 0, NULL, \
	"The character between user and password.") \
X(BOOL, smtp_sender_dependent_authentication, "no", 0, 0, NULL, \
	"Look for credentials of the sender first.") \
X(BOOL, smtp_sasl_verified_only, "no", 0, 0, NULL, \
	"Use credentials only where the certificate of the server has matched what TLS policy wants of it; anywhere else " \
	"mail for which there are credentials waits.") \
X(SET, smtp_sasl_security_options, "noplaintext, noanonymous", 0, 0, PARAM_SASL_WORDS, \
	"What a mechanism must be, or must not be, in a session without TLS. Besides, a destination that has once accepted " \
	"one that tells an impostor nothing (SCRAM) gets nothing weaker any more in sessions whose certificate has not been " \
	"verified, until the next start.") \
X(SET, smtp_sasl_tls_security_options, "$smtp_sasl_security_options", 0, 0, PARAM_SASL_WORDS, \
	"The same in a session with TLS.") \
X(SET, smtp_sasl_tls_verified_security_options, "$smtp_sasl_tls_security_options", 0, 0, PARAM_SASL_WORDS, \
	"The same when the certificate of the server matched.") \
X(MLIST, smtp_sasl_mechanism_filter, "", 1, 0, NULL, \
	"The mechanisms that may be used, of those that are offered. Empty: SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, " \
	"LOGIN, and OAUTHBEARER and XOAUTH2 with a token. EXTERNAL, GSSAPI, DIGEST-MD5, NTLM and ANONYMOUS are used only " \
	"where they stand here by name.") \
X(STR, smtp_sasl_type, "cyrus", 1, 0, NULL, \
	"The implementation. There is one: cyrus, Cyrus SASL.") \
X(STR, smtp_sasl_path, "", 0, 0, NULL, \
	"Where an implementation finds its settings.") \
X(BOOL, send_cyrus_sasl_authzid, "no", 0, 0, NULL, \
	"Send the user's name as authorisation id, too.") \
X(BOOL, smtp_sasl_auth_soft_bounce, "yes", 0, 0, NULL, \
	"Defer when a server refuses our credentials for good; no: bounce.") \
X(STR, smtp_sasl_auth_cache_name, "", 0, 0, NULL, \
	"When this is not empty, credentials that were refused with 535 are not tried again at the same server, until they " \
	"change or smtp_sasl_auth_cache_time is over. They are remembered in memory, for each core by itself; the name " \
	"does not matter, and no file is written. When this is empty, they are not tried again for five minutes.") \
X(TIME, smtp_sasl_auth_cache_time, "90d", 0, PARAM_TIME_MAX, "d", \
	"For how long they are remembered.") \
X(BOOL, smtp_send_dummy_mail_auth, "no", 0, 0, NULL, \
	"Add AUTH=<> to MAIL in authenticated sessions.")
