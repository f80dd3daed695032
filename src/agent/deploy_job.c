#include "agent/deploy_job.h"

/* lego's words. */
static const char *lego_key(struct arena *a, const struct wish_key *k)
{
	static const char *const words[KEY__MAX] = { [KEY_EC_P256] = "EC256", [KEY_EC_P384] = "EC384" };

	return k->type == KEY_RSA ? (const char *)arena_fmt(a, "RSA%u", k->bits).ptr : words[k->type];
}

void deploy_begin(struct deploy_job *j, const struct wish *w, struct crew *crew, struct storage *s)
{
	*j = (struct deploy_job){
		.arena = w->arena,
		.wish = &w->deploy,
		.name = w->name,
		.names = w->names,
		.n_names = w->n_names,
		.server = w->cas[0].directory,
		.key_type = lego_key(w->arena, &w->keys[0]),
		.crew = crew,
		.storage = s,
	};
	j->previous = storage_live(s, j->previous_id, NULL) == ERR_OK ? j->previous_id : NULL;
	for (size_t i = 0; i < w->n_keys; i++)
		j->suffixes[j->n_suffixes++] = w->keys[i].suffix;
}
