/* fuzz_params.c - any text as the main.cf of the daemon: every reader of a typed value (row FZ-13)
 *
 * Claims: no crash; the count of errors is that of the messages; without an error the fields keep their promises;
 * loading the same text once more gives the same verdict.
 */
#include "net/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct param_endpoints *e)
{
	ASSERT(e->count <= PARAM_LIST_MAX);
	for (unsigned i = 0; i < e->count; i++)
		ASSERT(e->list[i].sa.sa_family == AF_UNIX || addr_port(&e->list[i]) != 0);
}

static void check_promises(const struct params *p)
{
	ASSERT(p->minimal_backoff_time_ns > 0 && p->minimal_backoff_time_ns <= p->maximal_backoff_time_ns);
	ASSERT(p->smtp_helo_timeout_ns > 0 && p->smtp_data_done_timeout_ns > 0);
	ASSERT(p->smtp_tcp_port != 0 && p->inet_protocols <= 3 && p->smtp_host_lookup != 0);
	ASSERT(p->myhostname[0] != '\0' && p->smtp_helo_name[0] != '\0');
	ASSERT(p->spool_directory[0] == '/');
	ASSERT(p->worker_threads <= 64 && p->session_limit > 0);
	ASSERT(p->smtp_destination_concurrency_positive_feedback.ppm <= 1000000);
	ASSERT(p->smtp_bind_address.len == 0 || p->smtp_bind_address.sa.sa_family == AF_INET);
	check_list(&p->dns_servers);
	check_list(&p->inject_smtp_listen);
	for (unsigned i = 0; i < p->known_tcp_ports.count; i++)
		ASSERT(p->known_tcp_ports.list[i].port != 0 && p->known_tcp_ports.list[i].name.len > 0);
}

static int load(struct slice text)
{
	struct params_system sys;
	struct params p;

	params_system_init(&sys, "ringpostd", NULL);
	memcpy(sys.host, "box", sizeof("box"));
	struct conf *conf = params_conf_new(&sys);

	ASSERT(conf != NULL);
	conf_read_text(conf, "main.cf", text);
	int errors = params_load(&p, conf);

	ASSERT(errors == (int)conf_error_count(conf));
	if (errors == 0)
		check_promises(&p);
	conf_free(&conf);
	return errors;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int errors = load(slice_of(data, size));

	ASSERT(load(slice_of(data, size)) == errors);
	return 0;
}
