/* TLS reports: who is asked, what is counted, what is mailed, and what a restart keeps (RFC 8460). */
#include "net/source/tlsrpt.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/file.h"
#include "tests/test.h"
#include "tests/unit/net/source/fake_spool.h"

/* --- a clock that runs when it is told to ------------------------------------------------------ */

#define NOON_S	UINT64_C(1800000000)

static uint64_t passed_ns;

uint64_t clock_mono_ns(void)
{
	return NS_PER_SEC + passed_ns;
}

uint64_t clock_boot_ns(void)
{
	return clock_mono_ns();
}

uint64_t clock_wall_ns(void)
{
	return NOON_S * NS_PER_SEC + passed_ns;
}

/* --- a resolver that answers when it is told to ----------------------------------------------- */

static struct query *waiting[16];
static unsigned asked;

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	(void)r;
	assert_int_equal(type, DNS_TYPE_TXT);
	q->name = name;
	waiting[asked++ % 16] = q;
}

void resolver_cancel(struct query *q)
{
	(void)q;
}

/* To the last question: records, separated by "|"; NULL: nobody knows. */
static void answer(const char *records)
{
	static struct dns_answer dns;
	struct query *q = waiting[(asked - 1) % 16];
	struct slice rest = slice_of_str(records != NULL ? records : "");
	char rdata[256];

	dns_answer_start(&dns, q->name);
	while (rest.len > 0) {
		ptrdiff_t end = slice_find_char(rest, 0, '|');
		struct slice record = slice_head(rest, end < 0 ? rest.len : (size_t)end);

		rdata[0] = (char)record.len;
		memcpy(rdata + 1, record.ptr, record.len);
		dns_answer_add(&dns, &(struct dns_record){ .ttl_s = 60 }, slice_of(rdata, record.len + 1));
		slice_skip(&rest, MIN(rest.len, record.len + 1));
	}
	const enum answer_class none = records == NULL ? ANSWER_RETRY : ANSWER_NOT_FOUND;

	q->fn(q, &(struct answer){ .class = dns.count > 0 ? ANSWER_FOUND : none, .why = "why", .dns = &dns });
}

/* --- the stage -------------------------------------------------------------------------------- */

#define WANTED "v=TLSRPTv1; rua=mailto:reports@example.org"

static struct reactor reactor;
static struct params params;
static struct tlsrpt *reports;
static char folder[64];
static unsigned closed;

static int open_reports(void)
{
	return tlsrpt_new(&params, NULL, (struct spool *)&fake_spool, &reports);
}

static int setup(void **state)
{
	const struct io_conf io = { .core = 0, .files_max = 64, .arena_size = MIB(1), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	fake_spool_reset();
	(void)snprintf(folder, sizeof(folder), "/tmp/ringpost-tlsrpt-XXXXXX");
	assert_non_null(mkdtemp(folder));
	params = (struct params){ .myhostname = "client.test", .tlsrpt_directory = folder, .tlsrpt_organization = "Us",
				  .tlsrpt_contact = "postmaster", .tlsrpt_interval_ns = NS_PER_SEC };
	passed_ns = 0;
	asked = closed = 0;
	return open_reports();
}

static unsigned files(const char *suffix, char ret_path[512])
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), end = strlen(suffix);

		if (len <= end || strcmp(entry->d_name + len - end, suffix) != 0)
			continue;
		count++;
		(void)snprintf(ret_path, 512, "%s/%s", folder, entry->d_name);
	}
	(void)closedir(dir);
	return count;
}

static int teardown(void **state)
{
	char path[512];

	(void)state;
	tlsrpt_free(&reports);
	while (files(".counts", path) + files(".json", path) > 0)
		(void)unlink(path);
	(void)rmdir(folder);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void on_closed(struct tlsrpt *t, void *context)
{
	assert_ptr_equal(t, reports);
	assert_ptr_equal(context, &closed);
	closed++;
}

/* The disk has the time it needs, whatever our clock says. */
static void turns(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 50) {
		passed_ns += 50 * NS_PER_MS;
		for (unsigned k = 0; k < 4; k++) {
			assert_int_equal(reactor_turn(&reactor, 0), 0);
			(void)usleep(200);
		}
	}
}

/* A real disk takes its time. */
static void turns_until_closed(void)
{
	for (unsigned i = 0; i < 1000 && closed == 0; i++)
		turns(1);
	assert_int_equal(closed, 1);
}

static void count(const char *domain, enum tlsrpt_result result)
{
	struct tls_event e = { .result = result, .wall_ns = clock_wall_ns() };

	(void)snprintf(e.domain, sizeof(e.domain), "%s", domain);
	(void)snprintf(e.policy_domain, sizeof(e.policy_domain), "%s", domain);
	(void)snprintf(e.mx, sizeof(e.mx), "mx1");
	tlsrpt_count(reports, &e);
}

/* Until the spool has something to commit. */
static bool wait_for_mail(void)
{
	for (unsigned i = 0; i < 60; i++) {
		turns(50);
		if (fake_spool_finish() > 0)
			return true;
	}
	return false;
}

/* --- claims ----------------------------------------------------------------------------------- */

static bool contains(struct slice text, const char *what)
{
	return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

static void a_report_is_written_and_mailed(void **state)
{
	char path[512], *json;
	size_t len;

	(void)state;
	tlsrpt_begin(reports);
	count("example.org", TLSRPT_SUCCESS);
	assert_int_equal(asked, 1);
	assert_true(slice_eq(waiting[0]->name, SLICE("_smtp._tls.example.org")));
	answer(WANTED ",mailto:%22o%20r%22@other.test,https://x.test/");
	count("example.org", TLSRPT_VALIDATION_FAILURE);
	assert_true(wait_for_mail());
	const struct fake_message *m = &fake_spool.messages[0];
	struct slice content = slice_of(m->content, m->content_len);

	assert_true(slice_eq(slice_of(m->sender, m->sender_len), SLICE("postmaster@client.test")));
	assert_true(slice_eq(slice_of(m->rcpts, m->rcpts_len), SLICE("<reports@example.org><o r@other.test>")));
	assert_int_equal(m->facts, MESSAGE_BODY_7BIT | MESSAGE_TLS_OPTIONAL | MESSAGE_TLS_REPORT);
	assert_int_equal(m->size, m->content_len);
	assert_true(contains(content, "\r\nSubject: Report Domain: example.org\r\n\tSubmitter: client.test\r\n\tReport-ID: <"));
	assert_true(contains(content, "\r\nTLS-Report-Domain: example.org\r\nTLS-Report-Submitter: client.test\r\n"));
	assert_true(contains(content, "\r\nTLS-Required: No\r\n"));
	assert_true(contains(content, "\r\nContent-Type: application/tlsrpt+json\r\n"));
	assert_true(contains(content, "\"result-type\": \"validation-failure\""));
	assert_true(contains(content, "\r\n--=_tlsrpt--\r\n"));
	turns(500);
	assert_int_equal(files(".counts", path), 0);
	assert_int_equal(files(".json", path), 1);
	assert_int_equal(file_read(path, MIB(1), &json, &len), 0);
	assert_true(contains(slice_of(json, len), "\"total-successful-session-count\": 1"));
	free(json);
	assert_true(fake_log_contains("by https:, which is not served"));
}

/* Case 319, and who has no record; trouble is no record either (B 7.9). */
static void nobody_else_hears_of_it(void **state)
{
	static const char *const records[] = { "", "v=TLSRPTv2; rua=mailto:a@b.test", "v=TLSRPTv1rua=mailto:a@b.test",
					       WANTED "|" WANTED "2", "v=TLSRPTv1; rua=ftp:x", NULL };
	char path[512], domain[32];

	(void)state;
	tlsrpt_begin(reports);
	for (unsigned i = 0; i < ARRAY_LEN(records); i++) {
		(void)snprintf(domain, sizeof(domain), "d%u.test", i);
		count(domain, TLSRPT_SUCCESS);
		answer(records[i]);
		count(domain, TLSRPT_SUCCESS);
		assert_int_equal(asked, i + 1);	/* it is not asked again */
	}
	turns(2500);
	assert_int_equal(fake_spool.begun, 0);
	assert_int_equal(files(".json", path), 0);
	assert_true(fake_log_contains("no TLS report for d5.test: its TXT record: why"));
}

/* Other records beside the one do not matter, either. */
static void a_restart_goes_on(void **state)
{
	char path[512];

	(void)state;
	params.tlsrpt_interval_ns = 3 * NS_PER_SEC;
	tlsrpt_begin(reports);
	count("example.org", TLSRPT_STARTTLS_NOT_SUPPORTED);
	answer("spf|" WANTED);
	tlsrpt_close(reports, on_closed, &closed);
	assert_int_equal(closed, 0);
	turns_until_closed();
	assert_int_equal(files(".counts", path), 1);
	tlsrpt_free(&reports);
	assert_int_equal(open_reports(), 0);
	tlsrpt_begin(reports);
	assert_int_equal(asked, 2);
	answer(WANTED);
	count("example.org", TLSRPT_STARTTLS_NOT_SUPPORTED);
	for (unsigned i = 0; i < 3 && fake_spool.count == 0; i++)
		(void)wait_for_mail();
	assert_int_equal(fake_spool.count, 1);
	assert_true(contains(slice_of(fake_spool.messages[0].content, fake_spool.messages[0].content_len),
			     "\"failed-session-count\": 2"));
	for (unsigned i = 0; i < 1000 && files(".counts", path) > 0; i++)
		turns(1);
	assert_int_equal(files(".counts", path), 0);
}

static void what_is_damaged_is_a_line_in_the_log(void **state)
{
	char path[512];

	(void)state;
	tlsrpt_free(&reports);
	(void)snprintf(path, sizeof(path), "%s/example.org!0.counts", folder);
	assert_int_equal(file_replace(path, SLICE("ringpost-tlsrpt-1\nreport")), 0);
	assert_int_equal(open_reports(), 0);
	assert_true(fake_log_contains("counts of an earlier process are lost"));
}

/* The spool is full: the report stays, and so do its counts. */
static void a_full_spool_is_waited_for(void **state)
{
	char path[512];

	(void)state;
	tlsrpt_begin(reports);
	fake_spool.begin_err = -ENOSPC;
	count("example.org", TLSRPT_SUCCESS);
	answer(WANTED);
	turns(2500);
	assert_true(fake_log_contains("the TLS report for example.org waits"));
	tlsrpt_close(reports, on_closed, &closed);
	turns_until_closed();
	assert_int_equal(files(".json", path), 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("case 318: a report is written, and mailed to whoever asks for it", a_report_is_written_and_mailed,
			   setup, teardown),
		CLAIM_WITH("case 319: nobody else hears of it", nobody_else_hears_of_it, setup, teardown),
		CLAIM_WITH("a restart goes on with what was counted", a_restart_goes_on, setup, teardown),
		CLAIM_WITH("what is damaged is a line in the log", what_is_damaged_is_a_line_in_the_log, setup, teardown),
		CLAIM_WITH("a full spool is waited for", a_full_spool_is_waited_for, setup, teardown),
	};
	return cmocka_run_group_tests_name("net/source/tlsrpt", claims, NULL, NULL);
}
