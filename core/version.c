#include "core/version.h"

#define PART_MAX 1023u

uint32_t version_parse(const char *text)
{
	uint32_t parts[3] = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		for (; *text >= '0' && *text <= '9'; text++)
			parts[i] = parts[i] * 10 + (uint32_t)(*text - '0') > PART_MAX ? PART_MAX :
				   parts[i] * 10 + (uint32_t)(*text - '0');
		if (*text != '.')
			break;
		text++;
	}
	return VERSION(parts[0], parts[1], parts[2]);
}
