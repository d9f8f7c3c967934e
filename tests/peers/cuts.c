/* cuts - a connection that ends at every octet of a whole dialogue, in either direction, in every way
 *
 *	build/tests/cuts [-v]
 *
 * Row RPL-16, case 639. An honest server; the way to us or to it is cut after k octets: FIN, RST, or silence.
 * Whatever the cut, the mail is sent in the end, with its own octets; it is sent at once only when the server has it,
 * it is never bounced, and it comes twice only when the first answer said that it might.
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/peers/run.h"

#define TO_ENGINE_OCTETS	230u	/* greeting to 221, both mails; a few more than there are */
#define TO_PEER_OCTETS		700u

struct cut {
	enum sim_cut_kind kind;
	bool to_engine;
	unsigned from;
	bool pipelining;
};

static bool play_cuts(const void *context, bool verbose)
{
	const struct cut *cut = context;
	unsigned octets = cut->to_engine ? TO_ENGINE_OCTETS : TO_PEER_OCTETS;
	bool ok = true;

	for (unsigned at = 0; at < octets && ok; at++) {
		const struct sim_cut way = { cut->kind, at };
		const struct family_row row = {
			.outcome = "*",
			.flags = cut->pipelining ? 0 : FAMILY_NO_PIPELINING,
			.link = { .cut_to_engine = cut->to_engine ? way : (struct sim_cut){ 0 },
				  .cut_to_peer = cut->to_engine ? (struct sim_cut){ 0 } : way },
			.limit_s = 601,
		};

		ok = run_row(&row, &(struct run_way){ .verbose = verbose });
		if (!ok)
			printf("#   at octet %u\n", at);
	}
	return ok;
}

int main(int argc, char **argv)
{
	static const struct {
		enum sim_cut_kind kind;
		const char *words;
	} kinds[] = { { SIM_CUT_FINISH, "FIN" }, { SIM_CUT_RESET, "RST" }, { SIM_CUT_SILENCE, "silence" } };
	bool verbose = argc > 1 && argv[1][0] == '-' && argv[1][1] == 'v';
	unsigned number = 0, failed = 0;

	for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
		for (unsigned i = 0; i < 4; i++) {
			const struct cut cut = { .kind = kinds[k].kind, .to_engine = i & 1, .pipelining = i & 2 };
			bool ok = run_alone(play_cuts, &cut, verbose);

			printf("%s %u - %s at every octet %s, %s PIPELINING (RPL-16, case 639)\n", ok ? "ok" : "not ok",
			       ++number, kinds[k].words, cut.to_engine ? "to us" : "to the server",
			       cut.pipelining ? "with" : "without");
			failed += !ok;
		}
	}
	printf("1..%u\n", number);
	return failed == 0 ? 0 : 1;
}
