/* params_table_more.h - rows of net/params_table.h: content, reports, and what Postfix needs for its processes */
#pragma once

#define PARAMS_CONTENT(X) \
X(HEADING, content, "", 0, 0, "content", "The content of a message") \
X(INT, smtp_line_length_limit, "998", 0, PARAM_U32, NULL, \
	"The longest line that is sent; longer ones are broken. 0: no limit; 1 is no limit that " \
	"could be kept.") \
X(BOOL, disable_mime_output_conversion, "no", 0, 0, NULL, \
	"Send 8-bit content as it is to servers that have not announced 8BITMIME.") \
X(INT, mime_boundary_length_limit, "2048", 1, PARAM_U32, NULL, \
	"How much of a MIME boundary is compared.") \
X(INT, mime_nesting_limit, "100", 1, PARAM_U32, NULL, \
	"How deep MIME parts may lie in each other when content is converted.") \
X(INT, header_size_limit, "102400", 1, PARAM_U32, NULL, \
	"The largest header field that is looked at; larger ones are passed on as they are.") \
X(INT, header_address_token_limit, "10240", 1, PARAM_U32, NULL, \
	"How many words and marks of one header field are searched for addresses. Those behind are passed on as they are.") \
X(MAPS, smtp_generic_maps, "", 0, 0, NULL, \
	"Tables from an address of this site to one that is valid elsewhere, for MAIL, RCPT and the message's own " \
	"From:, To: and the like. Asked for user+ext@domain, user@domain, user+ext and user (domains of ours only), " \
	"@domain; patterns hear the first only. A result @domain keeps the user. Not mapped again.") \
X(SET, propagate_unmatched_extensions, "canonical, virtual", 0, 0, "canonical virtual alias forward include generic", \
	"Where the extension of an address is carried over to the new address. Here only generic has a meaning " \
	"(smtp_generic_maps).") \
X(STR, recipient_delimiter, "", 0, 0, NULL, \
	"Characters between the user and the extension of an address.") \
X(BOOL, append_at_myorigin, "yes", 0, 0, NULL, \
	"An address that smtp_generic_maps gives without domain gets @$myorigin.") \
X(BOOL, append_dot_mydomain, "no", 0, 0, NULL, \
	"A domain without dot that smtp_generic_maps gives gets .$mydomain.") \
X(STR, smtp_service_flags, "", 0, 0, NULL, \
	"What is put on top of each message, as flags= of a service in Postfix's master.cf: R Return-Path:, " \
	"O X-Original-To:, D Delivered-To: (and a message that has been delivered to this address before comes back, " \
	"5.4.6). O and D need one recipient a transaction: smtp_destination_recipient_limit = 1. X has no effect yet.") \
X(MAPS, smtp_header_checks, "", 0, 0, NULL, \
	"Tables of patterns and actions for header fields: DUNNO, OK, INFO, WARN, IGNORE, STRIP, REPLACE, PREPEND. " \
	"Others are warned about, and nothing is done. A table of another process hears at most 4 KiB.") \
X(MAPS, smtp_mime_header_checks, "", 0, 0, NULL, \
	"The same for header fields of MIME parts, and for MIME header fields wherever they stand.") \
X(MAPS, smtp_nested_header_checks, "", 0, 0, NULL, \
	"The same for header fields of attached messages.") \
X(MAPS, smtp_body_checks, "", 0, 0, NULL, \
	"The same for lines of the body.") \
X(BOOL, cleanup_replace_stray_cr_lf, "yes", 0, 0, NULL, \
	"What Postfix does with a CR or LF inside a line. Here smtpd_forbid_bare_newline decides, and none is " \
	"ever sent.") \
X(BOOL, smtputf8_enable, "yes", 0, 0, NULL, \
	"Internationalised addresses and header fields (RFC 6531).") \
X(STR, smtputf8_autodetect_classes, "sendmail, verify", 0, 0, NULL, \
	"Sources of mail whose need for SMTPUTF8 is found out. The sources here say it.") \
X(STR, internal_mail_filter_classes, "", 0, 0, NULL, "Filters for mail that Postfix makes itself.")

#define PARAMS_REPORT(X) \
X(HEADING, reports, "", 0, 0, "reports", "Debugging and reports") \
X(INT, debug_peer_level, "2", 1, PARAM_U32, NULL, \
	"How much more is logged of sessions with debug_peer_list.") \
X(SET, notify_classes, "resource, software", 0, 0, "2bounce bounce data delay policy protocol resource software", \
	"What is reported to error_notice_recipient.") \
X(STR, error_notice_recipient, "postmaster", 1, 0, NULL, \
	"Who gets transcripts of sessions that went wrong.") \
X(ENUM, header_from_format, "standard", 0, 0, "standard obsolete", "The form of From: in reports.") \
X(ENUM, info_log_address_format, "external", 0, 0, "external internal", \
	"Addresses in the log are quoted (external), or as they are (internal).")

#define PARAMS_PROCESS(X) \
X(HEADING, processes, "", 0, 0, "start-up", "What Postfix needs for its processes") \
X(READONLY, service_name, "smtp", 0, 0, NULL, \
	"The name of the transport, for use in other values. It cannot be set.") \
X(TIME, daemon_timeout, "18000s", 1, PARAM_TIME_MAX, "s", \
	"How long one request may take, from its first connection attempt on and over all of its hosts. Then its " \
	"session is ended, and its recipients are deferred.") \
X(TIME, ipc_timeout, "3600s", 1, PARAM_TIME_MAX, "s", \
	"How long one process waits for another.") \
X(TIME, max_idle, "100s", 1, PARAM_TIME_MAX, "s", \
	"How long a process waits for its next request. The threads here stay.") \
X(INT, max_use, "100", 0, PARAM_U32, NULL, \
	"How many requests a process serves. The threads here stay.") \
X(TIME, connection_cache_protocol_timeout, "5s", 1, PARAM_TIME_MAX, "s", \
	"How long Postfix waits for its connection cache. The cache here is no process.") \
X(INT, tcp_windowsize, "0", 0, PARAM_U32, NULL, "A TCP window to ask for. The system knows better.") \
X(STR, readme_directory, "no", 0, 0, NULL, "Where Postfix has its documentation.") \
X(STR, html_directory, "no", 0, 0, NULL, "Where Postfix has its documentation.")
