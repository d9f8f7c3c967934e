/* params_remarks.c - what to say of a parameter that somebody has set, and that does not do what its name promises
 *
 * A row goes when the effect comes.
 */
#include "net/params_impl.h"

static const struct {
	const char *name;
	const char *remark;
} remarks[] = {
	{ "smtp_discard_ehlo_keyword_address_maps", "no effect yet" },
	{ "smtp_reply_filter", "no effect yet" },
	{ "smtp_dns_reply_filter", "no effect yet" },
	{ "smtp_delivery_status_filter", "no effect yet" },
	{ "smtp_connection_cache_destinations", "no effect yet" },
	{ "smtp_pix_workaround_maps", "no effect yet" },
	{ "debug_peer_list", "no effect yet" },
};

void params_remarks(struct conf *conf, params_line_fn *fn, void *context)
{
	for (size_t i = 0; i < ARRAY_LEN(remarks); i++) {
		char storage[512];
		struct str line = STR(storage);

		if (!conf_is_set(conf, remarks[i].name))
			continue;
		str_add_cut(&line, slice_of_str(conf_where(conf, remarks[i].name)), 200);
		line.full = false;	/* a path that had to be cut still gets its remark */
		str_printf(&line, ": %s: %s", remarks[i].name, remarks[i].remark);
		fn(str_cstr(&line), context);
	}
}
