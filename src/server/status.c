#include "server/status.h"

void status_put_channel(struct json_out *w, const char *name, struct channel_counts c)
{
	json_put_key(w, name);
	json_put_object(w);
	json_put_member_uint(w, "received", c.received);
	json_put_member_uint(w, "sent", c.sent);
	json_put_member_uint(w, "refused_size", c.refused_size);
	json_put_member_uint(w, "refused_type", c.refused_type);
	json_put_member_uint(w, "refused_turn", c.refused_turn);
	json_put_member_uint(w, "refused_credit", c.refused_credit);
	json_end_object(w);
}

void status_put_errors(struct json_out *w, const char *name, const uint64_t by_code[ERR__MAX])
{
	json_put_key(w, name);
	json_put_object(w);
	for (unsigned c = 0; c < ERR__MAX; c++)
		if (by_code[c])
			json_put_member_uint(w, err_name((enum err_code)c), by_code[c]);
	json_end_object(w);
}

void channel_counts_add(struct channel_counts *to, struct channel_counts c)
{
	to->received += c.received;
	to->sent += c.sent;
	to->refused_size += c.refused_size;
	to->refused_type += c.refused_type;
	to->refused_turn += c.refused_turn;
	to->refused_credit += c.refused_credit;
}
