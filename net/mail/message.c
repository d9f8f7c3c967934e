#include "net/mail/message.h"

void message_id_text(struct str *out, uint64_t id)
{
	unsigned digits = 1;

	while (digits < 16 && id >> (4 * digits) != 0)
		digits++;
	str_add_hex(out, id, digits);
}
