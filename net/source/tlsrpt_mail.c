#include "net/source/tlsrpt_mail.h"

#include <errno.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/mail/received.h"
#include "net/wire/address.h"

#define PIECE_MAX KIB(32)

/* --- what it says ----------------------------------------------------------------------------- */

static void add_ascii(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		str_add_char(out, text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
}

void tlsrpt_mail_id(const struct tlsrpt_mail *m, const struct tlsrpt_report *r, struct str *out)
{
	received_add_stamp(out, r->start_s * NS_PER_SEC);
	str_add_char(out, '.');
	add_ascii(out, slice_head(tlsrpt_report_domain(r), 253));
	str_add_char(out, '@');
	add_ascii(out, slice_head(slice_of_str(m->params->myhostname), 128));
}

static void add_to(const struct tlsrpt_mail *m, struct str *out, const struct tlsrpt_report *r)
{
	str_add_cstr(out, "To: ");
	for (unsigned i = 0; i < m->rcpt_count; i++) {
		str_add_cstr(out, i > 0 ? ",\r\n\t<" : "<");
		add_ascii(out, tlsrpt_record_mail(&r->record, i));
		str_add_char(out, '>');
	}
	str_add_cstr(out, "\r\n");
}

static void add_header(const struct tlsrpt_mail *m, struct str *out, const struct tlsrpt_report *r, struct slice id)
{
	const struct slice domain = tlsrpt_report_domain(r), submitter = slice_of_str(m->params->myhostname);

	str_add_cstr(out, "Date: ");
	received_add_date(out, clock_wall_ns());
	str_add_cstr(out, "\r\nFrom: <");
	add_ascii(out, slice_of_str(m->contact));
	str_add_cstr(out, ">\r\n");
	add_to(m, out, r);
	str_add_cstr(out, "Subject: Report Domain: ");
	add_ascii(out, domain);
	str_add_cstr(out, "\r\n\tSubmitter: ");
	add_ascii(out, submitter);
	str_add_cstr(out, "\r\n\tReport-ID: <");
	add_ascii(out, id);
	str_add_cstr(out, ">\r\nMessage-ID: <");
	message_id_text(out, spool_draft_id(m->draft));
	str_add_char(out, '@');
	add_ascii(out, submitter);
	str_add_cstr(out, ">\r\nTLS-Report-Domain: ");
	add_ascii(out, domain);
	str_add_cstr(out, "\r\nTLS-Report-Submitter: ");
	add_ascii(out, submitter);
	str_add_cstr(out, "\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
			  "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"=_tlsrpt\"\r\n\r\n");
}

static void add_lines(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n')
			str_add_char(out, '\r');
		str_add_char(out, text.ptr[i]);
	}
}

/* Lines of JSON begin with a blank or a bracket: none of them is a boundary, or has a dot to be doubled. */
static void compose(struct tlsrpt_mail *m, const struct tlsrpt_report *r, struct slice json)
{
	char storage[TLSRPT_MAIL_ID];
	struct str out = STR(m->text), id = STR(storage);

	tlsrpt_mail_id(m, r, &id);
	add_header(m, &out, r, str_slice(&id));
	str_add_cstr(&out, "--=_tlsrpt\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
			   "This is an aggregate TLS report from ");
	add_ascii(&out, slice_of_str(m->params->myhostname));
	str_add_cstr(&out, "\r\n\r\n--=_tlsrpt\r\nContent-Type: application/tlsrpt+json\r\n"
			   "Content-Transfer-Encoding: 7bit\r\nContent-Disposition: attachment;\r\n\tfilename=\"");
	add_ascii(&out, slice_of_str(m->params->myhostname));
	str_add_char(&out, '!');
	add_ascii(&out, tlsrpt_report_domain(r));
	str_printf(&out, "!%llu!%llu.json\"\r\n\r\n", (unsigned long long)r->start_s, (unsigned long long)r->end_s - 1);
	add_lines(&out, json);
	str_add_cstr(&out, "\r\n--=_tlsrpt--\r\n");
	ASSERT(!str_is_full(&out));
	m->len = out.len;
}

/* --- how it goes ------------------------------------------------------------------------------ */

static void on_task(struct task *task)
{
	struct tlsrpt_mail *m = container_of(task, struct tlsrpt_mail, task);

	m->fn(m, m->task_err);
}

static void fail(struct tlsrpt_mail *m, int err)
{
	spool_message_abort(&m->draft);
	m->task_err = err;
	reactor_post(&m->task);
}

static void on_committed(struct spool_waiter *waiter, int err, uint64_t id)
{
	struct tlsrpt_mail *m = container_of(waiter, struct tlsrpt_mail, committed);

	(void)id;
	m->fn(m, err);
}

static void put(struct tlsrpt_mail *m)
{
	while (m->written < m->len) {
		const struct slice piece = slice_of(m->text + m->written, MIN(m->len - m->written, PIECE_MAX));
		int r = spool_message_write(m->draft, &piece, 1);

		if (r == -ENOBUFS) {
			spool_wait_room(m->spool, &m->room);
			return;
		}
		if (r < 0) {
			fail(m, r);
			return;
		}
		m->written += piece.len;
	}
	struct spool_draft *draft = m->draft;

	m->draft = NULL;
	spool_message_commit(draft, &(struct spool_envelope){
		.sender = slice_of_str(m->contact), .rcpts = m->rcpts, .rcpt_count = m->rcpt_count, .size = m->len,
		.facts = MESSAGE_BODY_7BIT | MESSAGE_TLS_OPTIONAL | MESSAGE_TLS_REPORT,
	}, &m->committed);
}

static void on_room(struct journal_waiter *waiter, int err)
{
	struct tlsrpt_mail *m = container_of(waiter, struct tlsrpt_mail, room);

	if (err < 0)
		fail(m, err);
	else
		put(m);
}

static void take_rcpts(struct tlsrpt_mail *m, const struct tlsrpt_record *record)
{
	m->rcpt_count = record->mail_count;
	for (unsigned i = 0; i < record->mail_count; i++) {
		struct str internal = STR(m->addresses[i]);

		address_unquote(&internal, tlsrpt_record_mail(record, i));
		ASSERT(internal.len > 0 && !str_is_full(&internal));	/* no longer than what was unquoted */
		m->rcpts[i] = (struct rcpt_facts){ .addr = str_slice(&internal), .original = str_slice(&internal) };
	}
}

void tlsrpt_mail_send(struct tlsrpt_mail *m, const struct tlsrpt_report *r, struct slice json,
		      void (*fn)(struct tlsrpt_mail *m, int err))
{
	m->fn = fn;
	m->written = 0;
	int err = spool_message_begin(m->spool, &m->draft);

	if (err < 0) {
		fail(m, err);
		return;
	}
	take_rcpts(m, &r->record);
	compose(m, r, json);
	put(m);
}

void tlsrpt_mail_init(struct tlsrpt_mail *m, const struct params *params, struct spool *spool)
{
	struct str contact = STR(m->contact);

	m->params = params;
	m->spool = spool;
	m->committed.fn = on_committed;
	m->room.fn = on_room;
	list_init(&m->room.node);
	task_init(&m->task, on_task);
	str_add_cut(&contact, slice_of_str(params->tlsrpt_contact), sizeof(m->contact) - 1);
	if (strchr(params->tlsrpt_contact, '@') == NULL)
		str_printf(&contact, "@%s", params->myhostname);
	(void)str_cstr(&contact);
}
