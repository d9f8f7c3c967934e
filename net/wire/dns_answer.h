/* dns_answer.h - DNS questions to octets, answers to records (RFC 1035 4; RFC 2308, 2782, 6698, 6891, 7505)
 *
 * Decodes one whole answer and keeps of it what belongs to the question: follows the aliases from the asked name,
 * takes the records of the asked type at their end, drops duplicates. Whatever else the packet says is checked for
 * form and forgotten.
 *
 *	question a.test MX:   a.test CNAME b.test, b.test CNAME c.test, c.test MX 10 mx.c.test
 *	                      hops 2, owner "c.test", one record
 *
 * Names become text: labels joined by dots, letters as sent, no dot at the end, the root is "". An octet that is not
 * a letter, digit, '-' or '_' is written \DDD, so that no name can smuggle a dot, a NUL or a line end into a log line
 * or a host name (row DNS-06); whoever uses a name as a host name checks it first.
 *
 * bounds   DNS_PACKET_MAX octets; DNS_RECORDS_MAX records kept (more are counted in dropped); DNS_HOPS_MAX alias
 *          steps
 * memory   everything lives in struct dns_answer; no pointer into the packet survives
 * errors   ERR_PROTO: not an answer to this question, or damaged (rows DNS-05, DNS-07); nothing of it may be used
 * never    allocates, logs or looks at a clock; recurses; follows a compression pointer forward
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define DNS_PACKET_MAX		65535u
#define DNS_NAME_WIRE_MAX	255u		/* RFC 1035 2.3.4, with the root's octet */
#define DNS_NAME_TEXT_MAX	1012u		/* 253 octets of name, each written \DDD: longer is impossible */
#define DNS_RECORDS_MAX		100u		/* dns_rr_list_limit */
#define DNS_HOPS_MAX		10u
#define DNS_DATA_MAX		DNS_PACKET_MAX	/* text and octets of all kept records */
#define DNS_QUESTION_MAX	(12u + 255u + 4u + 11u)

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_MX = 15,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_SRV = 33,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_TLSA = 52
};

enum dns_rcode {
	DNS_RCODE_NOERROR = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5
};

struct dns_record {
	uint16_t preference;	/* MX preference, SRV priority */
	uint16_t weight;	/* SRV */
	uint16_t port;		/* SRV */
	uint16_t len;		/* octets at data + at */
	uint32_t at;
	uint32_t ttl_s;
};

struct dns_answer {
	uint16_t rcode;		/* with the upper bits from OPT */
	bool authentic;		/* the AD bit: worth something only from a resolver one trusts */
	bool negative_ttl;	/* no record kept and an SOA says for how long */
	bool hops_exceeded;	/* more than DNS_HOPS_MAX alias steps, or they go round in circles */
	uint16_t hops;		/* alias steps from the asked name to owner */
	uint16_t count;
	uint16_t dropped;	/* records beyond DNS_RECORDS_MAX */
	uint32_t ttl_s;		/* least over alias steps and records; of the SOA when negative_ttl; else 0 */
	uint32_t owner_at;	/* name at the end of the aliases */
	uint32_t owner_len;
	uint32_t data_len;
	struct dns_record records[DNS_RECORDS_MAX];
	char data[DNS_DATA_MAX];
};

/* Writes the question for name (text, no trailing dot, no escapes) with recursion desired and AD set (RFC 6840 5.7:
 * "I understand AD"). udp_size > 0 adds an OPT record, with the DO bit when dnssec. Returns the size, -EINVAL for a
 * name that has no wire form, -EMSGSIZE when cap is less than DNS_QUESTION_MAX. */
int dns_question_write(struct slice name, enum dns_type type, uint16_t id, uint16_t udp_size, bool dnssec,
		       uint8_t *ret_packet, size_t cap);

/* Decodes packet as the answer to (name, type, IN). The id is the caller's to compare. Returns 0 or ERR_PROTO;
 * *ret_answer is undefined after an error. */
int dns_answer_decode(struct slice packet, struct slice name, enum dns_type type, struct dns_answer *ret_answer);

/* The octets of a record: 4 for A, 16 for AAAA, the host's name in text for MX, SRV and CNAME ("" is the root), RDATA
 * for the rest. */
static inline struct slice dns_record_data(const struct dns_answer *a, const struct dns_record *record)
{
	return slice_of(a->data + record->at, record->len);
}

static inline struct slice dns_answer_owner(const struct dns_answer *a)
{
	return slice_of(a->data + a->owner_at, a->owner_len);
}

/* Building answers by hand: what the decoder itself uses, and whoever stands in for a resolver. */
void dns_answer_start(struct dns_answer *a, struct slice owner);
/* Keeps a record unless an equal one is there already or the list is full. */
void dns_answer_add(struct dns_answer *a, const struct dns_record *like, struct slice data);
/* Moves on to the target of an alias. */
void dns_answer_set_owner(struct dns_answer *a, struct slice owner);
