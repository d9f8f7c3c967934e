/* replay_main.c - run a fuzz target over its corpus without a fuzzer
 *
 * usage: replay_<name> PATH...
 *
 * A path is a file or a directory of files; each file is fed to LLVMFuzzerTestOneInput once, from
 * memory of exactly its size, so that a sanitizer sees the first byte read past the end.
 *
 * bounds   REPLAY_SIZE_MAX bytes a file
 * errors   exit 1 with one line: unreadable path, file too large, nothing to replay
 * never    recurses into directories
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPLAY_SIZE_MAX ((off_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

_Noreturn static void give_up(const char *path, const char *why)
{
	fprintf(stderr, "replay: %s: %s\n", path, why);
	exit(1);
}

static void replay_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *f = fopen(path, "rb");

	if (data == NULL || f == NULL)
		give_up(path, strerror(errno));
	if (fread(data, 1, size, f) != size)
		give_up(path, "shorter than it said");
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	inputs++;
}

static void replay_dir(const char *path);

static void replay_path(const char *path, int depth)
{
	struct stat st;

	if (stat(path, &st) < 0)
		give_up(path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (depth == 0)
			replay_dir(path);
		return;
	}
	if (st.st_size > REPLAY_SIZE_MAX)
		give_up(path, "too large");
	replay_file(path, (size_t)st.st_size);
}

static void replay_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (dir == NULL)
		give_up(path, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
			give_up(entry->d_name, "path too long");
		replay_path(name, 1);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_path(argv[i], 0);
	if (inputs == 0)
		give_up(argc > 1 ? argv[1] : "corpus", "nothing to replay");
	printf("%u inputs\n", inputs);
	return 0;
}
