/* params_table.h - every main.cf parameter that has an effect: one row, one meaning
 *
 * The row makes the field of struct params, its reader, its check and its paragraph in ringpost.cf(5). A name without
 * a row is not an error in main.cf: it is accepted and listed once as unused.
 *
 *	X(kind, name, default, min, max, words, help)
 *
 * default	main.cf text, so it may refer to other parameters; what net/params.c computes at start has the text in
 *	PARAM_COMPUTED
 * min, max	INT, SIZE: the value itself; TIME: seconds; ENDPOINTS: min is the port when none is written, 0 when it
 *	is required;
 *		ENUM: max is 1 when the value may be empty: that is the word behind the last;
 *		STR, PATH, SET: min is 1 when the value must not be empty;
 *		MAPS, MLIST: min is 1 when the answer is needed at once, so that no table of another process will do
 * words	ENUM, SET: the accepted words, in the order of the enum or of the bits; TIME: the unit of a bare number;
 *		MAPS: words that may stand between the tables, each for a table that says it of every key;
 *		HEADING: when what stands below it matters
 * help		whole sentences for an administrator
 */
#pragma once

#include "net/params_table_more.h"
#include "net/params_table_tls.h"

#define PARAM_COMPUTED ""
#define PARAM_U32	UINT32_MAX
#define PARAM_U64	(UINT64_MAX / 2)
#define PARAM_TIME_MAX	UINT64_C(315360000)	/* ten years, in seconds */

/* Networks that no honest MX record leads to (row NET-01): this network, loopback, link-local with the metadata
 * services of clouds, protocol assignments (192.0.0.192 is such a service, too), multicast, reserved with broadcast;
 * [::]/96 holds the unspecified address, loopback and the obsolete IPv4-compatible form; IPv4-mapped addresses have
 * no business in DNS. */
#define PARAM_DENY_NETWORKS								\
	"0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 192.0.0.0/24 224.0.0.0/4 240.0.0.0/4"	\
	" [::]/96 [::ffff:0.0.0.0]/96 [fe80::]/10 [fec0::]/10 [ff00::]/8"

/* RFC 1918, RFC 6598, RFC 2544 and RFC 4193. */
#define PARAM_PRIVATE_NETWORKS								\
	"10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 [fc00::]/7"

#define PARAMS_IDENTITY(X) \
X(HEADING, identity, "", 0, 0, "start-up", "Who we are") \
X(STR, myhostname, PARAM_COMPUTED, 1, 0, NULL, \
	"The fully qualified name of this machine. The default is the system's host name; when " \
	"that has no dot, $mydomain (or localdomain) is appended.") \
X(STR, mydomain, PARAM_COMPUTED, 1, 0, NULL, \
	"The domain of this machine. The default is $myhostname without its first label, or " \
	"localdomain.") \
X(STR, myorigin, "$myhostname", 1, 0, NULL, \
	"The domain of addresses that have none; one of our own (smtp_generic_maps).") \
X(MLIST, mydestination, "$myhostname, localhost.$mydomain, localhost", 1, 0, NULL, \
	"Domains of our own besides $myorigin: smtp_generic_maps may know their users without domain. No mail is " \
	"delivered here because of it.") \
X(NETS, mynetworks, "127.0.0.0/8 [::1]/128", 0, 0, NULL, \
	"Clients that may inject mail without a password (smtpd_sasl_auth_enable): networks in address/bits form, or " \
	"single addresses.") \
X(PATH, config_directory, PARAM_COMPUTED, 1, 0, NULL, \
	"Where main.cf is. Set by the option -c; the default is /etc/ringpost.") \
X(READONLY, process_id, PARAM_COMPUTED, 0, 0, NULL, \
	"The process number, for use in other values. It cannot be set.") \
X(READONLY, process_name, PARAM_COMPUTED, 0, 0, NULL, \
	"The name of the program, for use in other values. It cannot be set.")

#define PARAMS_LOG(X) \
X(HEADING, logging, "", 0, 0, "logging", "Logging") \
X(STR, syslog_name, "ringpost", 1, 0, NULL, \
	"The first half of the tag of every log line: syslog_name/program.") \
X(STR, syslog_facility, "mail", 1, 0, NULL, \
	"The facility of every log line that goes to the system's log.") \
X(PATH, maillog_file, "", 0, 0, NULL, \
	"A file for log lines, or /dev/stdout, or /dev/stderr. Empty: the system's log.") \
X(INT, delay_logging_resolution_limit, "2", 0, 6, NULL, \
	"Digits after the decimal point of a delay in a log line.") \
X(PATH, metrics_file, "", 0, 0, NULL, \
	"A file that is rewritten every few seconds with all counters, in Prometheus text " \
	"form. Empty: none.")

#define PARAMS_RESOURCES(X) \
X(HEADING, resources, "", 0, 0, "start-up", "Threads, memory and the spool") \
X(INT, worker_threads, "0", 0, 64, NULL, \
	"Engine threads, each with a ring of its own. 0: one for each core that may be used.") \
X(PATH, spool_directory, "/var/spool/ringpost", 1, 0, NULL, \
	"The directory of the journal. It belongs to one instance at a time.") \
X(SIZE, journal_segment_size, "67108864", 1048576, 2147483648, NULL, \
	"Octets of one journal file. A file is removed when no message in it is waiting. One " \
	"spare file for each core is kept allocated, so that outcomes can still be recorded when " \
	"a full disk has new messages refused.") \
X(SIZE, journal_memory, "67108864", 4194304, 17179869184, NULL, \
	"Octets of memory for each core that hold the newest part of the journal, from which " \
	"most messages are sent.") \
X(SIZE, content_memory, "33554432", 1048576, 1073741824, NULL, \
	"Octets of memory for each core through which content passes: one half for what is read back from the disk, " \
	"the other for what has to be changed for a server: 32 kB a session, 64 kB while none is waiting. Sessions " \
	"that find none wait.") \
X(SIZE, zero_copy_threshold, "12288", 0, PARAM_U32, NULL, \
	"Pieces of content from this size on are sent without being copied, to peers for which the kernel does not " \
	"copy them all the same (as it does on loopback). 0: never.") \
X(SIZE, zero_copy_limit, "67108864", 0, PARAM_U64, NULL, \
	"Octets on each core that peers have been sent without a copy and have not acknowledged yet. One peer may " \
	"have an eighth of it; what goes beyond is copied.") \
X(INT, queue_message_limit, "200000", 1, PARAM_U32, NULL, \
	"Messages in the queue at one time; beyond it, new messages are refused with 452.") \
X(INT, session_limit, "10000", 1, 1000000, NULL, \
	"Outgoing sessions open at one time, over all cores. A quarter of them is kept for destinations that work; those " \
	"that failed the last time have no more than half.") \
X(TIME, drain_timeout, "600s", 1, PARAM_TIME_MAX, "s", \
	"How long a drain (TERM) waits for open sessions to end; then it ends at once, as on a second " \
	"TERM. A service manager that kills must wait longer than this.")

#define PARAMS_INJECT(X) \
X(HEADING, injection, "", 0, 0, "injection", "Accepting mail") \
X(ENDPOINTS, inject_smtp_listen, "127.0.0.1:2525", 0, 0, NULL, \
	"Where the SMTP listener accepts connections: address:port, [address]:port, or " \
	"unix:/path. Empty: no listener.") \
X(NETS, inject_smtp_proxy_protocol, "", 0, 0, NULL, \
	"Load balancers: networks in address/bits form, or single addresses. Their connections have to begin with a " \
	"PROXY header (version 1 or 2), which says who the client is; what its address may do counts from then on, " \
	"not what the balancer's may. A balancer's own checks (LOCAL) are its own; who it calls unknown is a stranger.") \
X(TIME, smtpd_upstream_proxy_timeout, "5s", 1, PARAM_TIME_MAX, "s", \
	"How long that header may take.") \
X(INT, inject_connection_limit, "2000", 1, 1000000, NULL, \
	"Injecting connections open at one time, over all clients and cores.") \
X(INT, smtpd_client_connection_count_limit, "50", 0, PARAM_U32, NULL, \
	"Injecting connections open at one time from one address. 0: no limit.") \
X(NETS, smtpd_client_event_limit_exceptions, "$mynetworks", 0, 0, NULL, \
	"Clients to which smtpd_client_connection_count_limit does not apply.") \
X(NETS, smtpd_authorized_xforward_hosts, "", 0, 0, NULL, \
	"Clients that may say with XFORWARD where a message came from: networks in address/bits form, " \
	"or single addresses. What they say goes on when smtp_send_xforward_command is yes.") \
X(TIME, smtpd_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"How long the listener waits for a command or for more of a message.") \
X(ENDPOINTS, inject_smtps_listen, "", 0, 0, NULL, \
	"Where the SMTP listener accepts connections that are TLS from their first octet, as on port 465.") \
X(ENUM, smtpd_tls_security_level, "none", 0, 0, "none may encrypt", \
	"STARTTLS of the listener: not offered, offered, or demanded before MAIL (not of a client on a unix socket).") \
X(PATH, smtpd_tls_cert_file, "", 0, 0, NULL, \
	"A file with the listener's certificate, RSA or ECDSA, and those above it. It is read again on HUP; sessions that " \
	"live keep what they have, and when it cannot be read then, new ones do, too.") \
X(PATH, smtpd_tls_key_file, "$smtpd_tls_cert_file", 0, 0, NULL, \
	"The file with its key.") \
X(STR, smtpd_tls_protocols, ">=TLSv1", 0, 0, NULL, \
	"The versions at the level may: >=TLSv1.2, <=TLSv1.3, !TLSv1.2 and the like. TLS 1.2 and 1.3 are all there are.") \
X(STR, smtpd_tls_mandatory_protocols, ">=TLSv1", 0, 0, NULL, \
	"The versions at the level encrypt, and of inject_smtps_listen when smtpd_tls_security_level is none.") \
X(STR, smtpd_tls_exclude_ciphers, "", 0, 0, NULL, \
	"Ciphers that are never used by the listener.") \
X(INT, smtpd_tls_loglevel, "0", 0, 4, NULL, \
	"1 and more: a line in the log for each handshake with an injecting client.") \
X(TIME, smtpd_starttls_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"How long a handshake with an injecting client may take, as a whole.") \
X(BOOL, smtpd_sasl_auth_enable, "no", 0, 0, NULL, \
	"Let clients authenticate (PLAIN, LOGIN, and SCRAM-SHA-256 when all users can do it). Who has may relay, wherever " \
	"it comes from.") \
X(PATH, inject_smtp_password_file, "", 0, 0, NULL, \
	"The users and their passwords, in the form of Dovecot's passwd-file: user:{SCRAM-SHA-256}4096,salt,key,key or " \
	"user:{CRYPT}$6$... or user:{PLAIN}password, one on a line. Nobody else should be able to read it. It is read " \
	"again on HUP; when it cannot be read then, those of before stay.") \
X(BOOL, smtpd_tls_auth_only, "yes", 0, 0, NULL, \
	"Authentication in TLS only. Postfix's default is no.") \
X(TIME, smtpd_error_sleep_time, "1s", 0, 100, "s", \
	"How long a client waits that has given a wrong password.") \
X(INT, smtpd_hard_error_limit, "20", 1, PARAM_U32, NULL, \
	"Errors of a client after which the listener closes the connection with 421.") \
X(INT, smtpd_recipient_limit, "1000", 1, 100000, NULL, \
	"Recipients of one message; more are refused with 452.") \
X(ENUM, smtpd_forbid_bare_newline, "reject", 0, 0, "reject normalize", \
	"What to do with a message that has a CR or LF outside a line end: reject it and close " \
	"the connection, or normalize it (every such octet becomes a line end).") \
X(SIZE, message_size_limit, "10240000", 0, PARAM_U64, NULL, \
	"Octets of one message, announced with SIZE. 0: no limit.") \
X(INT, line_length_limit, "2048", 512, 1048576, NULL, \
	"Octets of the longest command or reply line that is kept.") \
X(INT, hopcount_limit, "50", 1, 10000, NULL, \
	"Received header fields beyond which a message counts as looping and is refused.")

#define PARAMS_RESOLVE(X) \
X(HEADING, resolving, "", 0, 0, "name resolution", "Finding the next host") \
X(ENDPOINTS, dns_servers, "", 53, 0, NULL, \
	"DNS servers to ask: address, address:port or [address]:port. Empty: those of " \
	"/etc/resolv.conf.") \
X(TIME, dns_timeout, "5s", 1, 300, "s", \
	"How long one DNS server may take for one answer.") \
X(INT, dns_rr_list_limit, "100", 1, 100, NULL, \
	"Records kept from all answers for one destination; the rest is dropped with a " \
	"warning.") \
X(BOOL, disable_dns_lookups, "no", 0, 0, NULL, \
	"No MX lookups; host names come from /etc/hosts only. The old way to say " \
	"smtp_dns_support_level = disabled, which counts when it is not empty.") \
X(ENUM, smtp_dns_support_level, "", 0, 1, "disabled enabled dnssec", \
	"disabled: no MX lookups, host names come from /etc/hosts only; enabled: DNS is asked; dnssec: " \
	"it is asked for validated answers. Empty: as disable_dns_lookups says.") \
X(SET, smtp_dns_resolver_options, "", 0, 0, "res_defnames res_dnsrch", \
	"Accepted and without effect: names are always taken as complete, since a search list can lead mail " \
	"to a machine that nobody meant.") \
X(SET, smtp_host_lookup, "dns", 1, 0, "dns native", \
	"Where host addresses come from: dns, native (/etc/hosts), or both; dns is always " \
	"asked first.") \
X(BOOL, ignore_mx_lookup_error, "no", 0, 0, NULL, \
	"When the MX lookup of a domain fails, look for an address of the domain instead of " \
	"deferring.") \
X(BOOL, smtp_defer_if_no_mx_address_found, "no", 0, 0, NULL, \
	"Defer instead of bounce when MX records exist but none of them leads to an address.") \
X(BOOL, smtp_cname_overrides_servername, "no", 0, 0, NULL, \
	"When a server's name is an alias, its server is called by the name at the end of the aliases. Whoever " \
	"can forge an alias then chooses the name that is logged and checked.") \
X(STR, use_srv_lookup, "", 0, 0, NULL, \
	"Service names, as in domain:service, for which SRV records are looked up instead of MX records.") \
X(BOOL, ignore_srv_lookup_error, "no", 0, 0, NULL, \
	"When an SRV lookup fails, go on with the MX lookup (for LMTP: with the host's address) instead of " \
	"giving up. That no record exists is no failure.") \
X(BOOL, allow_srv_lookup_fallback, "no", 0, 0, NULL, \
	"The same also when no SRV record exists, when it says that there is no such service, and when none of " \
	"its hosts has an address.") \
X(BOOL, enable_idna2003_compatibility, "no", 0, 0, NULL, \
	"Look up domain names beyond ASCII by the transitional rules of UTS 46, in which sharp s is ss.") \
X(SET, inet_protocols, "all", 0, 0, "ipv4 ipv6 all", \
	"Protocols in use: ipv4, ipv6, or all.") \
X(INTERFACES, inet_interfaces, "all", 0, 0, NULL, \
	"Addresses that are this machine, for the detection of mail loops: all, loopback-only, " \
	"or numeric addresses. One single address of a family that is not loopback is also the " \
	"source address of that family.") \
X(NETS, proxy_interfaces, "", 0, 0, NULL, \
	"Further addresses that lead to this machine, outside of a proxy or address " \
	"translator.") \
X(STR, default_transport, "smtp", 1, 0, NULL, \
	"How all mail goes: smtp or lmtp, alone or with a colon and a next hop, which then stands above relayhost: " \
	"lmtp:unix:/path, lmtp:inet:host:port, smtp:[host]:port.") \
X(STR, relayhost, "", 0, 0, NULL, \
	"Where all mail goes instead of to the recipient's domain: domain, [host], " \
	"domain:port, [host]:port.") \
X(STR, fallback_relay, "", 0, 0, NULL, \
	"The old name of smtp_fallback_relay.") \
X(STR, smtp_fallback_relay, "$fallback_relay", 0, 0, NULL, \
	"Destinations tried in order when the next hop cannot be found, reached, or fails " \
	"temporarily.") \
X(PORTS, known_tcp_ports, "lmtp=24, smtp=25, smtps=submissions=465, submission=587", 0, 0, NULL, \
	"Port numbers for service names: name=port items, separated by commas; several names " \
	"may share a port.") \
X(PORT, smtp_tcp_port, "smtp", 0, 0, NULL, \
	"The port when the destination names none: a number or a name from known_tcp_ports.") \
X(STR, best_mx_transport, "", 0, 0, NULL, \
	"Where mail goes whose best mail exchanger is this machine: smtp:next-hop. Mail for any " \
	"other transport is deferred, for there is none here. Empty: it bounces.") \
X(STR, dnssec_probe, "ns:.", 0, 0, NULL, \
	"What is asked once, and logged when it is not validated, if smtp_dns_support_level = dnssec and the first " \
	"answer that came was not: type:name, the type one of a, aaaa, mx, ns, soa, txt. Empty: nothing.") \
X(BOOL, smtp_randomize_addresses, "yes", 0, 0, NULL, \
	"Shuffle addresses of equal preference.") \
X(ENUM, smtp_address_preference, "any", 0, 0, "any ipv4 ipv6", \
	"The address family tried first among equal MX preferences.") \
X(BOOL, smtp_balance_inet_protocols, "yes", 0, 0, NULL, \
	"When smtp_mx_address_limit cuts a list with both families, keep some of both.") \
X(MAPS, smtp_dns_reply_filter, "", 1, 0, NULL, \
	"Tables that each record of a DNS answer is looked up in, written as name, ttl, class, " \
	"type, preference and value. The only action is IGNORE: as if the record were not there. Local " \
	"tables only.") \
X(INT, smtp_mx_address_limit, "5", 0, PARAM_U32, NULL, \
	"Addresses tried for one destination. 0: no limit.") \
X(INT, smtp_mx_session_limit, "2", 0, PARAM_U32, NULL, \
	"Sessions past the greeting tried for one destination. 0: no limit.")

#define PARAMS_CONNECT(X) \
X(HEADING, connecting, "", 0, 0, "connecting", "Connecting") \
X(NETS, smtp_deny_networks, PARAM_DENY_NETWORKS, 0, 0, NULL, \
	"Networks never connected to when the address comes from DNS, also behind an " \
	"IPv4-mapped, NAT64 or 6to4 prefix. Addresses written in relayhost and the like are " \
	"exempt.") \
X(BOOL, smtp_deny_private_networks, "no", 0, 0, NULL, \
	"Add the private networks to smtp_deny_networks: " PARAM_PRIVATE_NETWORKS ".") \
X(ADDR4, smtp_bind_address, "", 0, 0, NULL, \
	"The numeric IPv4 source address. Empty: the system chooses; 0.0.0.0 also overrides " \
	"inet_interfaces.") \
X(ADDR6, smtp_bind_address6, "", 0, 0, NULL, \
	"The numeric IPv6 source address. Empty: the system chooses; :: also overrides " \
	"inet_interfaces.") \
X(BOOL, smtp_bind_address_enforce, "no", 0, 0, NULL, \
	"When a source address cannot be used, try the next address of the destination instead of " \
	"connecting from another source address.") \
X(TIME, smtp_connect_timeout, "30s", 0, PARAM_TIME_MAX, "s", \
	"How long one address may take to accept a connection. 0: as long as the system " \
	"allows.")

#define PARAMS_SESSION(X) \
X(HEADING, session, "", 0, 0, "the session", "The SMTP session") \
X(STR, smtp_helo_name, "$myhostname", 1, 0, NULL, \
	"The name sent with EHLO or HELO: a host name or an address literal, in ASCII.") \
X(BOOL, smtp_always_send_ehlo, "yes", 0, 0, NULL, \
	"Begin with EHLO even when the greeting does not contain the word ESMTP.") \
X(BOOL, smtp_never_send_ehlo, "no", 0, 0, NULL, \
	"Always use HELO, and so no extension.") \
X(BOOL, smtp_skip_5xx_greeting, "yes", 0, 0, NULL, \
	"Try the next host after a 5xx greeting; no: bounce at once.") \
X(BOOL, smtp_skip_4xx_greeting, "yes", 0, 0, NULL, \
	"Try the next host after a 4xx greeting; no: defer at once.") \
X(BOOL, smtp_skip_quit_response, "yes", 0, 0, NULL, \
	"Do not wait for the reply to QUIT.") \
X(STR, smtp_discard_ehlo_keywords, "", 0, 0, NULL, \
	"EHLO keywords that are taken as not offered: pipelining, size, 8bitmime, dsn, smtputf8, starttls, " \
	"auth, chunking, xforward and so on. silent-discard: without a line in the log.") \
X(MAPS, smtp_discard_ehlo_keyword_address_maps, "", 0, 0, NULL, \
	"Tables from the address of a server to such a list, which then stands in the place of " \
	"smtp_discard_ehlo_keywords, also when it is empty. A table of another process has " \
	"smtp_helo_timeout to answer; an error defers.") \
X(STR, smtp_pix_workarounds, "disable_esmtp,delay_dotcrlf", 0, 0, NULL, \
	"What to do when a firewall has written asterisks over a server's greeting. disable_esmtp: say HELO; " \
	"delay_dotcrlf: wait before the final dot.") \
X(MAPS, smtp_pix_workaround_maps, "", 0, 0, NULL, \
	"Tables from the address of a server to such a list, which then stands in the place of " \
	"smtp_pix_workarounds. A table of another process has smtp_helo_timeout to answer; an error is " \
	"as if nothing were found.") \
X(TIME, smtp_pix_workaround_delay_time, "10s", 1, PARAM_TIME_MAX, "s", \
	"How long delay_dotcrlf waits.") \
X(TIME, smtp_pix_workaround_threshold_time, "500s", 0, PARAM_TIME_MAX, "s", \
	"How old a message must be before delay_dotcrlf is used for it. 0: from the first attempt on.") \
X(BOOL, smtp_quote_rfc821_envelope, "yes", 0, 0, NULL, \
	"Quote local parts in MAIL and RCPT that need it; no: send addresses as they are.") \
X(BOOL, smtp_send_xforward_command, "no", 0, 0, NULL, \
	"Tell servers that announce XFORWARD where a message came from.") \
X(TIME, smtp_xforward_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For XFORWARD and its reply.") \
X(ENUM, smtp_address_verify_target, "rcpt", 0, 0, "rcpt data", \
	"How far a probe of an address goes.") \
X(BOOL, lmtp_assume_final, "no", 0, 0, NULL, \
	"Report a success of LMTP as delivered, not as relayed.") \
X(MAPS, smtp_reply_filter, "", 1, 0, NULL, \
	"Tables that each line of a reply is looked up in; what is found there stands in its place. Local " \
	"tables only.") \
X(MLIST, debug_peer_list, "", 1, 0, NULL, \
	"Servers and destinations whose sessions are logged in detail: names, domains, addresses, " \
	"networks.") \
X(MLIST, smtp_chunking_destinations, "", 1, 0, NULL, \
	"Next hops to which messages go with BDAT instead of DATA when the server offers CHUNKING (RFC 3030); " \
	"static:all for every one. A server that offers it and does not know BDAT gets DATA, on another " \
	"connection, from then on. A message that has to be changed for its server goes with DATA, too.") \
X(SIZE, smtp_chunk_size_limit, "0", 0, PARAM_U64, NULL, \
	"Octets of one BDAT chunk; the reply to each is waited for. 0: the whole message is one chunk.") \
X(SIZE, smtp_chunking_ahead_limit, "65536", 0, PARAM_U64, NULL, \
	"Octets of a message that may go with BDAT right behind its recipients, before their replies. This is " \
	"done only on a connection on which an earlier message has shown that the server's replies to recipients " \
	"cannot be mistaken for one to a message. 0: never.") \
X(TIME, smtp_helo_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For the greeting and for EHLO or HELO.") \
X(TIME, smtp_mail_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For MAIL and its reply.") \
X(TIME, smtp_rcpt_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For each RCPT and its reply.") \
X(TIME, smtp_data_init_timeout, "120s", 1, PARAM_TIME_MAX, "s", \
	"For DATA and its reply.") \
X(TIME, smtp_data_xfer_timeout, "180s", 1, PARAM_TIME_MAX, "s", \
	"For progress while the message is sent; see smtp_min_data_rate.") \
X(TIME, smtp_data_done_timeout, "600s", 1, PARAM_TIME_MAX, "s", \
	"For the final dot and its reply. When it runs out, the message may be delivered " \
	"twice.") \
X(TIME, smtp_transaction_time_limit, "7200s", 0, PARAM_TIME_MAX, "s", \
	"For a whole transaction, from MAIL to the reply to the final dot, however quick each single " \
	"reply is. 0: no limit.") \
X(TIME, smtp_rset_timeout, "20s", 1, PARAM_TIME_MAX, "s", \
	"For RSET and its reply.") \
X(TIME, smtp_quit_timeout, "300s", 1, PARAM_TIME_MAX, "s", \
	"For QUIT and its reply.") \
X(BOOL, smtp_per_record_deadline, "yes", 0, 0, NULL, \
	"The old name of smtp_per_request_deadline.") \
X(BOOL, smtp_per_request_deadline, "$smtp_per_record_deadline", 0, 0, NULL, \
	"The timeouts limit a whole request or reply; no: each single read or write.") \
X(INT, smtp_min_data_rate, "500", 1, PARAM_U32, NULL, \
	"Octets a second that keep a message transfer alive under smtp_per_request_deadline.") \
X(STR, default_delivery_status_filter, "", 0, 0, NULL, \
	"The default of smtp_delivery_status_filter.") \
X(MAPS, smtp_delivery_status_filter, "$default_delivery_status_filter", 1, 0, NULL, \
	"Tables that a final status is looked up in, written as its code and text; what is found " \
	"there stands in its place. Local tables only.") \
X(BOOL, soft_bounce, "no", 0, 0, NULL, \
	"Treat every 5xx reply as temporary: a safety net while testing.")

#define PARAMS_REUSE(X) \
X(HEADING, reuse, "", 0, 0, "end of a transaction", "Keeping connections") \
X(BOOL, smtp_connection_cache_on_demand, "yes", 0, 0, NULL, \
	"Keep a connection open when more mail for the same destination waits.") \
X(INT, smtp_connection_cache_reuse_limit, "10", 0, PARAM_U32, NULL, \
	"The old form of smtp_connection_reuse_count_limit. Only when it is set: the smaller one " \
	"counts.") \
X(MLIST, smtp_connection_cache_destinations, "", 1, 0, NULL, \
	"Destinations for which connections are always kept: names without brackets and port.") \
X(TIME, connection_cache_ttl_limit, "2s", 1, PARAM_TIME_MAX, "s", \
	"The ceiling of smtp_connection_cache_time_limit.") \
X(TIME, smtp_connection_cache_time_limit, "2s", 1, PARAM_TIME_MAX, "s", \
	"How long an idle connection is kept; connection_cache_ttl_limit caps it.") \
X(TIME, smtp_connection_reuse_time_limit, "300s", 1, PARAM_TIME_MAX, "s", \
	"Age of a connection beyond which it is not kept for another message.") \
X(INT, smtp_connection_reuse_count_limit, "0", 0, PARAM_U32, NULL, \
	"How often a connection may be used again. 0: no limit.")

#define PARAMS_SCHEDULE(X) \
X(HEADING, scheduling, "", 0, 0, "scheduling", "Concurrency and retries") \
X(INT, default_destination_concurrency_limit, "20", 0, PARAM_U32, NULL, \
	"The default of smtp_destination_concurrency_limit.") \
X(INT, smtp_destination_concurrency_limit, "$default_destination_concurrency_limit", 0, PARAM_U32, NULL, \
	"Sessions open at one time to one destination. 0: no limit.") \
X(INT, default_destination_recipient_limit, "50", 0, PARAM_U32, NULL, \
	"The default of smtp_destination_recipient_limit.") \
X(INT, smtp_destination_recipient_limit, "$default_destination_recipient_limit", 0, PARAM_U32, NULL, \
	"Recipients in one transaction. 0: no limit. 1: concurrency, pauses and suspension are counted for each " \
	"recipient, not for the destination as a whole.") \
X(INT, initial_destination_concurrency, "5", 1, PARAM_U32, NULL, \
	"The default of smtp_initial_destination_concurrency.") \
X(INT, smtp_initial_destination_concurrency, "$initial_destination_concurrency", 1, PARAM_U32, NULL, \
	"Sessions to a destination of which nothing is known yet.") \
X(INT, default_destination_concurrency_failed_cohort_limit, "1", 0, PARAM_U32, NULL, \
	"The default of smtp_destination_concurrency_failed_cohort_limit.") \
X(INT, smtp_destination_concurrency_failed_cohort_limit, \
	"$default_destination_concurrency_failed_cohort_limit", 0, PARAM_U32, NULL, \
	"Windows full of connection failures after which a destination rests. 0: never.") \
X(FEEDBACK, default_destination_concurrency_positive_feedback, "1", 0, 0, NULL, \
	"The default of smtp_destination_concurrency_positive_feedback.") \
X(FEEDBACK, smtp_destination_concurrency_positive_feedback, \
	"$default_destination_concurrency_positive_feedback", 0, 0, NULL, \
	"What a delivery adds to the concurrency: number, number/concurrency or " \
	"number/sqrt_concurrency, number from 0 to 1.") \
X(FEEDBACK, default_destination_concurrency_negative_feedback, "1", 0, 0, NULL, \
	"The default of smtp_destination_concurrency_negative_feedback.") \
X(FEEDBACK, smtp_destination_concurrency_negative_feedback, \
	"$default_destination_concurrency_negative_feedback", 0, 0, NULL, \
	"What a connection failure takes from the concurrency; written like the positive " \
	"feedback.") \
X(TIME, default_destination_rate_delay, "0s", 0, PARAM_TIME_MAX, "s", \
	"The default of smtp_destination_rate_delay.") \
X(TIME, smtp_destination_rate_delay, "$default_destination_rate_delay", 0, PARAM_TIME_MAX, "s", \
	"The pause between two deliveries to one destination.") \
X(TIME, queue_run_delay, "300s", 1, PARAM_TIME_MAX, "s", \
	"The longest time between a retry becoming due and being tried.") \
X(TIME, minimal_backoff_time, "300s", 1, PARAM_TIME_MAX, "s", \
	"The wait after the first temporary failure, and how long an unreachable destination " \
	"rests.") \
X(TIME, maximal_backoff_time, "4000s", 1, PARAM_TIME_MAX, "s", \
	"The longest wait between two attempts; not less than minimal_backoff_time.") \
X(TIME, maximal_queue_lifetime, "5d", 0, PARAM_TIME_MAX, "d", \
	"The age at which a message that still fails temporarily is given up. 0: after the " \
	"first attempt.") \
X(TIME, bounce_queue_lifetime, "5d", 0, PARAM_TIME_MAX, "d", \
	"The same for messages of the null sender.")

#define PARAMS(X)	\
	PARAMS_IDENTITY(X) PARAMS_LOG(X) PARAMS_RESOURCES(X) PARAMS_INJECT(X) PARAMS_RESOLVE(X)	\
	PARAMS_CONNECT(X) PARAMS_SESSION(X) PARAMS_REUSE(X) PARAMS_SCHEDULE(X) PARAMS_CONTENT(X)	\
	PARAMS_TLS(X) PARAMS_SASL(X) PARAMS_REPORT(X) PARAMS_PROCESS(X)
