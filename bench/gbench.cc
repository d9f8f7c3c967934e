// gbench.cc - the only C++ of the project: what gbench.h promises, on Google Benchmark

#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include <string>

static bool any_failed;

static benchmark::State &state_of(struct gbench *b)
{
	return *static_cast<benchmark::State *>(b->state);
}

static std::string title_of(const char *name, int64_t arg)
{
	return arg == GBENCH_NO_ARG ? name : name + ("/" + std::to_string(arg));
}

static benchmark::internal::Benchmark *add(const std::string &title, gbench_fn *fn, int64_t arg)
{
	return benchmark::RegisterBenchmark(title.c_str(), [fn, arg](benchmark::State &state) {
		struct gbench b = {0, static_cast<int64_t>(state.max_iterations), &state};

		fn(&b, arg);
	});
}

void gbench_register(const char *name, gbench_fn *fn, int64_t arg)
{
	add(title_of(name, arg), fn, arg);
}

void gbench_register_waiting(const char *name, gbench_fn *fn, int64_t arg)
{
	add(title_of(name, arg), fn, arg)->UseRealTime();
}

void gbench_register_case(const char *name, gbench_fn *fn, int64_t arg)
{
	add(name, fn, arg);
}

// A batch of all rounds: the first question starts the clock and is answered yes, the second stops
// it. The round that the first yes stands for is one of them, hence the - 1.
bool gbench_ask(struct gbench *b)
{
	if (!state_of(b).KeepRunningBatch(b->rounds))
		return false;
	b->rounds_left = b->rounds - 1;
	return true;
}

void gbench_pause(struct gbench *b)
{
	state_of(b).PauseTiming();
}

void gbench_resume(struct gbench *b)
{
	state_of(b).ResumeTiming();
}

void gbench_set_bytes(struct gbench *b, int64_t bytes_per_round)
{
	state_of(b).SetBytesProcessed(b->rounds * bytes_per_round);
}

void gbench_set_items(struct gbench *b, int64_t items_per_round)
{
	state_of(b).SetItemsProcessed(b->rounds * items_per_round);
}

void gbench_set_per_round(struct gbench *b, const char *name, double total)
{
	state_of(b).counters[name] = benchmark::Counter(total, benchmark::Counter::kAvgIterations);
}

void gbench_fail(struct gbench *b, const char *why)
{
	any_failed = true;
	b->rounds_left = 0;
	state_of(b).SkipWithError(why);
}

int gbench_main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	size_t run = benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	return run == 0 || any_failed ? 1 : 0;
}
