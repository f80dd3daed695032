/* Issuance as the processes do it, with each of them killed at any step (SPIN 6). tests/model/check.py runs it.
 *
 * The steps are those of the code, named beside them. What one process does without any other being able to see it is one step; what
 * becomes durable, or leaves a process, is a step of its own, and before and after each the process may die. Not in the model: time
 * (orders and receipts that grow too old), the rechecking of CAA, revocation, the TLS template, contents of messages, attacks on digests.
 *
 * Scenarios:
 *   LIFE         one client from its challenge to the second download
 *   SAME_CSR     one order, one CSR, two finalize at a time: a client whose second try overtakes the first
 *   ONE_ORDER    one order, each client with a CSR of its own: two runs that share an account
 *   TWO_ORDERS   two clients, two orders
 *   HOSTILE      the same, and a front that sends the signer what it likes
 * Where there are two clients the orders begin as ready, their receipts stored. Each FAULT_ is something left out or done wrong: the checker
 * must find out. */

#if defined(LIFE)
#define CLIENTS 1
#else
#define CLIENTS 2
#endif
#if defined(TWO_ORDERS) || defined(HOSTILE)
#define ORDERS 2
#define order_of(c) (c)
#else
#define ORDERS 1
#define order_of(c) 0
#endif
#if defined(SAME_CSR)
#define csr_of(c) 1
#else
#define csr_of(c) ((c) + 1)
#endif
#if defined(LIFE) || defined(HOSTILE)
#define validated(o) false
#else
#define validated(o) controls[o]
#endif

/* How many misfortunes a run may have, of all kinds together: a process killed; the signer slower than ISSUE_MS; a commit of the database that
 * fails; no worker free when the signer comes back; a key that does not sign. */
#ifndef MISFORTUNES
#define MISFORTUNES 3
#endif

#define BATCH 2	/* SIGNER_BATCH_MAX */
#define DRIVE_MAX 1	/* PROCESSING_MAX of front/finalize.c */
#define DRIVER CLIENTS	/* who asks the signer: a worker for each client's request, and finalize_processing() */
#define ASKERS (CLIENTS + 1)
#define LATE ASKERS	/* what nobody waits for any more, but the signer has not seen yet */
#define NOBODY 255
#if CLIENTS > 1
#define some_sent() (ask[0].sent || ask[1].sent || ask[2].sent || ask[LATE].sent)
#else
#define some_sent() (ask[0].sent || ask[1].sent || ask[LATE].sent)
#endif
#define LOG_MAX 14

mtype = { PENDING, READY, PROCESSING, VALID, INVALID };	/* orders, as in acme/state.c */
mtype = { INTENT, RESULT, VOID };	/* records, docs/protocol/log.md */
mtype = { CLOSED, UNAUTHORIZED, CONFIRM, CONFLICT, INTERNAL, STORE, NOT_READY, OK };	/* how calls end, as in err.def; CLOSED: TIMEOUT and BUSY as well */
mtype = { TO_ASK, ASKED, YES, NO };	/* a validation */

/* --- the world, which no process changes by dying --- */

bool controls[ORDERS];	/* the applicant shows control of the order's name */
bool finalized[CLIENTS];	/* a client has signed a finalize request for its CSR */
bool over[CLIENTS], gave_up[CLIENTS];	/* a client wants nothing more; without waiting for the end */
byte got[CLIENTS];	/* the serial of what it downloaded */
byte world[ORDERS];	/* the serial of the certificate that has left the signer, 0: none */

/* --- durable: the front's database (store/), the signer's log (signer/log.c) --- */

mtype state[ORDERS];
byte taken[ORDERS];	/* orders.finalize: by its CSR */
byte serial[ORDERS];
bool receipt[ORDERS];	/* authzs.control and .caa */

typedef record { mtype type; byte order; byte csr; byte serial }
record log[LOG_MAX];
byte durable, written, staged;	/* records: synced; in the file; in the batch (memory) */
byte serials;	/* serial_make() never makes one twice */

/* --- lives, lines, misfortunes that are left --- */

byte front_life = 1, signer_life = 1, validator_life = 1;	/* a new number with each start */
bool signer_up;	/* its log is open */
bool connected;	/* front and signer have a channel (peer_connect()) */
bool greeted;	/* and HELLO has gone through it */
bool signer_hello;	/* and was answered: front.h */
byte left;

/* --- lost with the front --- */

bool finalize_later, drive_now;
bool posted[ORDERS];	/* a challenge's POST that has not come to its end: store/inflight.c */
mtype validation[ORDERS];
typedef question { bool sent; byte order; byte csr; bool evidence; bool early; mtype answer; byte serial }
question ask[ASKERS + 1];	/* front/peer.c: one for each who waits; a late answer finds none */
bool request[CLIENTS], working[CLIENTS];	/* its finalize; a worker has asked the signer for it */
mtype reply[CLIENTS];	/* what the client is told: an order's state, CLOSED, UNAUTHORIZED, .. */

/* --- lost with the signer: orders.c, and a round's jobs (issue.c) --- */

byte done_serial[ORDERS], done_csr[ORDERS];
typedef job { byte from; byte order; byte csr; bool evidence; bool early; mtype kind; byte serial; bool twin }
job jobs[BATCH];
byte n_jobs;

/* ================================================================ the signer */

inline append(p_type, p_order, p_csr, p_serial)	/* log_begin() .. log_end(): memory alone */
{
	assert(staged < LOG_MAX);
	log[staged].type = p_type; log[staged].order = p_order; log[staged].csr = p_csr; log[staged].serial = p_serial;
	staged++
}

inline clear()	/* the signer's local variables, so that states that are the same look the same */
{
	i = 0; k = 0; s = 0; a = 0; fails = 0; ended = 0; found = false; in_log = false; announced = false; voided = false; asked_for = false
}

inline forget_question(p_asker)
{
	ask[p_asker].sent = false; ask[p_asker].order = 0; ask[p_asker].csr = 0; ask[p_asker].evidence = false; ask[p_asker].early = false;
	ask[p_asker].answer = 0; ask[p_asker].serial = 0
}

inline forget_job(p_job)
{
	jobs[p_job].from = 0; jobs[p_job].order = 0; jobs[p_job].csr = 0; jobs[p_job].evidence = false; jobs[p_job].early = false;
	jobs[p_job].kind = 0; jobs[p_job].serial = 0; jobs[p_job].twin = false
}

inline find_record(p_type, p_serial, p_upto, p_ret)	/* whether there is one of this type and serial below upto */
{
	p_ret = false;
	for (i : 0 .. p_upto - 1) {
		if
		:: log[i].type == p_type && log[i].serial == p_serial -> p_ret = true
		:: else
		fi
	}
}

/* What holds of every certificate at the moment when it leaves the signer (send_answer() in signer/main.c). ALONE leaves out what is said of
 * the log, so that a fault of the log must show itself in the world. */
inline check_leaving(p_order, p_csr, p_serial)
{
#ifndef ALONE
	find_record(RESULT, p_serial, durable, in_log);
	assert(in_log);	/* L1: durable before anybody has it */
	find_record(INTENT, p_serial, durable, announced);
	assert(announced);
	find_record(VOID, p_serial, durable, voided);
	assert(!voided);	/* L2 */
#endif
	assert(controls[p_order]);	/* evidence: the name is the applicant's .. */
	asked_for = false;
	for (i : 0 .. CLIENTS - 1) {	/* .. who has asked for this very CSR */
		if
		:: csr_of(i) == p_csr && order_of(i) == p_order && finalized[i] -> asked_for = true
		:: else
		fi
	}
	assert(asked_for);
	assert(world[p_order] == 0 || world[p_order] == p_serial);	/* one for an order, ever; a retry gets the same */
	world[p_order] = p_serial
}

inline find_result_of_world()
{
	in_log = false;
	for (k : 0 .. durable - 1) {
		if
		:: log[k].type == RESULT && log[k].serial == world[i] -> in_log = true
		:: else
		fi
	}
}

/* What holds at each start behind its recovery. */
inline check_recovered()
{
	for (i : 0 .. durable - 1) {
		if
		:: log[i].type == INTENT ->	/* L2: each intent has its end */
			ended = 0;
			for (k : i + 1 .. durable - 1) {
				if
				:: log[k].type != INTENT && log[k].serial == log[i].serial -> ended++
				:: else
				fi
			}
			assert(ended == 1)
		:: else
		fi
	}
	for (i : 0 .. ORDERS - 1) {
		if
		:: world[i] != 0 ->	/* what is in the world is in the log */
			find_result_of_world();
			assert(in_log)
		:: else
		fi
	}
}

/* add_voids() of log_recover.c: an intent without its result will never have one. */
inline add_voids()
{
	for (k : 0 .. durable - 1) {
		if
		:: log[k].type == INTENT ->
			s = log[k].serial;
			find_record(RESULT, s, staged, found);
			if
			:: !found -> find_record(VOID, s, staged, found)
			:: else
			fi;
			if
			:: !found -> append(VOID, log[k].order, log[k].csr, s)
			:: else
			fi
		:: else
		fi
	}
}

/* The orders of the log's results: log_open()'s found, orders_add(). */
inline load_orders()
{
	for (k : 0 .. durable - 1) {
		if
		:: log[k].type == RESULT ->
			done_serial[log[k].order] = log[k].serial;
			done_csr[log[k].order] = log[k].csr
		:: else
		fi
	}
}


/* prepare_order() and find_earlier(): the evidence, then one certificate for an order ever: known from the log, or of this very round. */
inline prepare(p_job)
{
	jobs[p_job].kind = INTENT;
	jobs[p_job].twin = false;
	if
	:: jobs[p_job].early -> jobs[p_job].kind = UNAUTHORIZED	/* on_front_message(): HELLO comes first */
#ifndef FAULT_EVIDENCE_UNREAD
	:: !jobs[p_job].early && !jobs[p_job].evidence -> jobs[p_job].kind = CONFIRM
#endif
	:: else ->
		if
		:: done_serial[jobs[p_job].order] != 0 ->
			jobs[p_job].kind = (done_csr[jobs[p_job].order] == jobs[p_job].csr -> RESULT : UNAUTHORIZED);
			jobs[p_job].serial = done_serial[jobs[p_job].order]
		:: else ->
#ifndef FAULT_TWINS
			for (i : 0 .. p_job - 1) {
				if
				:: i < p_job && jobs[i].kind == INTENT && jobs[i].order == jobs[p_job].order ->
					jobs[p_job].kind = (jobs[i].csr == jobs[p_job].csr -> RESULT : UNAUTHORIZED);
					jobs[p_job].serial = jobs[i].serial;
					jobs[p_job].twin = (jobs[i].csr == jobs[p_job].csr)
				:: else
				fi
			};
#else
			skip
#endif
		fi
	fi;
	if
	:: jobs[p_job].kind == INTENT -> serials++; jobs[p_job].serial = serials
	:: else
	fi
}

/* The batch of the intents, synced; then the signatures: nothing that the log does not announce durably (L1), and add_void() where the key
 * fails. What follows goes into the next batch. */
inline sign_all()
{
	for (k : 0 .. n_jobs - 1) {
		if
		:: jobs[k].kind == INTENT && fails == 0 ->
#ifndef ALONE
			find_record(INTENT, jobs[k].serial, durable, announced);
			assert(announced);
#endif
			append(RESULT, jobs[k].order, jobs[k].csr, jobs[k].serial)
		:: jobs[k].kind == INTENT && fails != 0 ->
			append(VOID, jobs[k].order, jobs[k].csr, jobs[k].serial);
			jobs[k].kind = fails
		:: jobs[k].kind == RESULT && jobs[k].twin && fails != 0 -> jobs[k].kind = fails
		:: else
		fi
	}
}

/* settle(): known from here on. */
inline settle_all()
{
	for (k : 0 .. n_jobs - 1) {
		if
		:: jobs[k].kind == INTENT -> done_serial[jobs[k].order] = jobs[k].serial; done_csr[jobs[k].order] = jobs[k].csr
		:: else
		fi
	}
}

/* answer(), send_answer(), send_refused(): the last of the jobs. */
inline send_last()
{
	k = n_jobs - 1;
	if
	:: jobs[k].kind == INTENT || jobs[k].kind == RESULT -> check_leaving(jobs[k].order, jobs[k].csr, jobs[k].serial)
	:: else
	fi;
	if
	:: jobs[k].from != NOBODY ->
		if
		:: jobs[k].kind == INTENT || jobs[k].kind == RESULT ->
			ask[jobs[k].from].answer = OK; ask[jobs[k].from].serial = jobs[k].serial
		:: else -> ask[jobs[k].from].answer = jobs[k].kind
		fi
	:: else
	fi;
	forget_job(k);
	n_jobs--
}

/* signer_round(): intents, sync, signatures, results, sync, replies. Killed at any step, the next life begins with log_open(). */
proctype signer()
{
	byte life, i, k, s, a;
	bool found, in_log, announced, voided, asked_for;
	byte ended;
	mtype fails;

again:
	life = signer_life;
	{
		/* log_open(): what is good becomes durable (settle()), then the VOIDs, one sync */
		d_step { durable = written; staged = written; add_voids(); written = staged; clear() };
		d_step {
			durable = written;
#ifndef ALONE
			check_recovered();
#endif
#ifndef FAULT_ORDERS_FORGOTTEN
			load_orders();
#endif
			clear();
			signer_up = true
		}
		do
		:: atomic {	/* serve_front(): what waits, up to a round's worth; who comes first is left open */
				n_jobs < BATCH && some_sent();
				if
				:: ask[0].sent -> a = 0
				:: ask[1].sent -> a = 1
#if CLIENTS > 1
				:: ask[2].sent -> a = 2
#endif
				:: ask[LATE].sent -> a = LATE
				fi;
				d_step {
					jobs[n_jobs].from = (a == LATE -> NOBODY : a); jobs[n_jobs].order = ask[a].order; jobs[n_jobs].csr = ask[a].csr;
					jobs[n_jobs].evidence = ask[a].evidence; jobs[n_jobs].early = ask[a].early;
					n_jobs++;
					ask[a].sent = false;
					if
					:: a == LATE -> forget_question(LATE)
					:: else
					fi;
					a = 0
				}
			}
		:: n_jobs > 0 ->
			d_step {	/* run(): prepare(), add_intent(); the write of log_commit() */
				for (k : 0 .. n_jobs - 1) { prepare(k) }
				for (k : 0 .. n_jobs - 1) {
					if
					:: jobs[k].kind == INTENT -> append(INTENT, jobs[k].order, jobs[k].csr, jobs[k].serial)
					:: else
					fi
				}
				written = staged;
				clear()
			};
			if
			:: atomic {	/* make_certificates(); some key may not sign */
				written > durable ->
				if
				:: true
				:: left > 0 -> left--; fails = INTERNAL
				:: left > 0 -> left--; fails = CLOSED	/* BUSY: keyholder_ready() */
				fi;
				d_step {
#ifndef FAULT_INTENTS_UNSYNCED
					durable = written;
#endif
					sign_all();
					clear()
				}
			   };
#ifndef FAULT_RESULTS_UNSYNCED
			   written = staged;
			   d_step { durable = written; settle_all(); clear() }
#else
			   d_step { settle_all(); clear() }
#endif
			:: written == durable
			fi;
			do
			:: d_step { n_jobs > 1 -> send_last(); clear() }
			:: atomic { n_jobs == 1 -> d_step { send_last(); clear() }; break }
			od
		od
	} unless { life != signer_life };
	goto again
}

/* ================================================================ the validator */

/* Keeps nothing: what it was asked dies with it. Its word is its receipt, which the signer reads (receipt.c). */
proctype validator()
{
	byte life, mine;

again:
	life = validator_life;
	{
		do
		:: true ->
			if
			:: atomic { validation[0] == ASKED -> mine = 0 }
			:: atomic { validation[ORDERS - 1] == ASKED -> mine = ORDERS - 1 }
			fi;
			/* time passes: the front may have died, and asked again */
			d_step {
				if
				:: validation[mine] == ASKED -> validation[mine] = (controls[mine] -> YES : NO)
				:: else
				fi;
				mine = 0
			}
		od
	} unless { life != validator_life };
	goto again
}

/* ================================================================ the front */

/* One validation from its begin to its result: validations_begin(), validation_done(), store_result(). */
proctype validating(byte o)
{
	byte life;

again:
	life = front_life;
	{
		do	/* store_begin_challenge(): the claim is in memory. A validator that dies makes of ASKED TO_ASK: ask again */
		:: d_step { posted[o] && (validation[o] == 0 || validation[o] == TO_ASK) -> validation[o] = ASKED }
		:: d_step {	/* store_end_challenge(): receipts and new states in one commit */
			validation[o] == YES || validation[o] == NO ->
			receipt[o] = (validation[o] == YES);
			state[o] = (validation[o] == YES -> READY : INVALID);
			validation[o] = 0; posted[o] = false
		   }
		:: d_step {	/* or no commit: store_abandon_challenge() */
			(validation[o] == YES || validation[o] == NO) && left > 0 -> left--; validation[o] = 0; posted[o] = false
		   }
		od
	} unless { life != front_life };
	goto again
}

/* peer_call(.., MESSAGE_ISSUE, ..) with what gather_evidence() found. */
inline send_question(p_asker)
{
	if
	:: connected ->
		ask[p_asker].order = o; ask[p_asker].csr = csr; ask[p_asker].evidence = receipt[o]; ask[p_asker].early = !greeted;
		ask[p_asker].sent = true
	:: else -> ask[p_asker].answer = CLOSED
	fi
}

/* end_questions(): past its deadline. The signer may see the question yet; whoever answers it finds nobody. */
inline abandon(p_asker)
{
	if
	:: ask[p_asker].sent ->
		ask[LATE].order = ask[p_asker].order; ask[LATE].csr = ask[p_asker].csr; ask[LATE].evidence = ask[p_asker].evidence;
		ask[LATE].early = ask[p_asker].early; ask[LATE].sent = true
	:: else
	fi;
	for (i : 0 .. BATCH - 1) {
		if
		:: i < n_jobs && jobs[i].from == p_asker -> jobs[i].from = NOBODY
		:: else
		fi
	}
	forget_question(p_asker)
}

/* How it ended into rc, the certificate into s. */
inline take_answer(p_asker)
{
	d_step { ask[p_asker].answer != 0 -> rc = ask[p_asker].answer; s = ask[p_asker].serial; forget_question(p_asker) }
}

inline time_out(p_asker)
{
	left > 0 && ask[p_asker].answer == 0 && !ask[LATE].sent -> left--; rc = CLOSED;
	d_step { abandon(p_asker); i = 0 }
}

/* store_end_finalize(): one commit. */
inline end_finalize()
{
	if
	:: state[o] == VALID && serial[o] == s -> rc = VALID
	:: state[o] == READY || state[o] == PROCESSING -> state[o] = VALID; serial[o] = s; taken[o] = csr; rc = VALID
	:: else -> rc = CONFLICT
	fi
}

/* store_begin_finalize(): one commit. */
inline begin_finalize()
{
	if
	:: state[o] == READY -> state[o] = PROCESSING; taken[o] = csr
	:: else
	fi
}

/* keep_refusal() and store_fail_finalize(): one commit. The signer's word that another CSR was certified leaves the order as it was. */
inline keep_refusal()
{
	if
#ifdef FAULT_REFUSAL_ENDS_ORDER
	:: (rc == CONFIRM || rc == UNAUTHORIZED) && (state[o] == READY || state[o] == PROCESSING) -> state[o] = INVALID; taken[o] = 0
#else
	:: rc == CONFIRM && (state[o] == READY || state[o] == PROCESSING) -> state[o] = INVALID; taken[o] = 0
	:: rc != CONFIRM && state[o] == PROCESSING -> state[o] = READY; taken[o] = 0
#endif
	:: else
	fi
}

/* What finalize_ready() and drive_on() make of the signer's answer, in one commit. */
inline store_answer()
{
	if
	:: rc == OK -> end_finalize()
	:: rc == CLOSED && ends == PROCESSING -> begin_finalize()
	:: rc == CLOSED && ends != PROCESSING
	:: else -> keep_refusal()
	fi
}

/* load_order(), check_same_csr(), reply_order(): what an order says to whoever sent this finalize. */
inline look_at_order()
{
	if
	:: state[o] == PENDING || state[o] == INVALID -> rc = NOT_READY
	:: state[o] == READY -> rc = READY
	:: else -> rc = (taken[o] == csr -> state[o] : NOT_READY)
	fi
}

inline reply_with(p_rc)
{
	reply[c] = p_rc; request[c] = false; rc = 0; s = 0
}

/* A worker of http/workers.c with post_finalize(): what a client sends is done, then answered. */
proctype worker(byte c)
{
	byte life, i, s, o, csr;
	mtype rc, ends = PROCESSING;

again:
	life = front_life;
	d_step { o = order_of(c); csr = csr_of(c); s = 0; i = 0; rc = 0 };
	{
		do
		:: d_step {
			request[c] && !working[c] ->
			look_at_order();
			if
			:: rc == READY -> working[c] = true; rc = 0; send_question(c)
			:: else -> reply_with(rc)
			fi
		   }
		:: atomic {
			working[c] && rc == 0 ->
			if
			:: take_answer(c)
			:: time_out(c)
			fi;
#ifdef FAULT_ANSWERED_BEFORE_COMMIT
			if
			:: rc == OK -> reply[c] = VALID; request[c] = false
			:: else
			fi
		   };
		   atomic {
			rc != 0;
#endif
			if
			:: d_step { store_answer() }
			:: left > 0 -> left--; rc = STORE
			fi
		   };
		:: atomic { working[c] && rc == CLOSED -> finalize_later = true; rc = CONFLICT }
		:: d_step {
			working[c] && rc != 0 && rc != CLOSED ->
			if
			:: rc == CONFLICT -> look_at_order()
			:: rc == STORE -> rc = INTERNAL
			:: else
			fi;
			working[c] = false;
			reply_with(rc)
		   }
		od
	} unless { life != front_life };
	goto again
}

/* finalize_processing(), drive_on(). */
proctype driver()
{
	byte life, i, s, o, csr;
	mtype rc, ends;

again:
	life = front_life;
	d_step { o = NOBODY; csr = 0; s = 0; i = 0; rc = 0 };
	{
		do
		:: atomic {	/* store_list_processing(): a page of them */
			o == NOBODY && (drive_now || (signer_hello && finalize_later)) ->
			drive_now = false; finalize_later = false;
			if
			:: d_step {
				for (i : 0 .. ORDERS - 1) {
					if
					:: o == NOBODY && state[i] == PROCESSING -> o = i
					:: else
					fi
				};
				i = 0
			   }
			:: left > 0 ->
				left--;
#ifndef FAULT_DRIVEN_ONCE
				finalize_later = true
#endif
			fi;
			if
			:: o != NOBODY ->
#ifndef FAULT_DRIVEN_ONCE
				finalize_later = true;	/* the page is full, there may be more */
#endif
				csr = taken[o]; send_question(DRIVER)
			:: else
			fi
		   }
		:: atomic {
			o != NOBODY ->
			if
			:: take_answer(DRIVER)
			:: time_out(DRIVER)
			fi;
			if
			:: d_step { store_answer() }
			:: left > 0 ->
				left--;
#ifdef FAULT_DRIVEN_ONCE
				rc = (rc == OK -> CLOSED : rc)
#else
				rc = CLOSED
#endif
			fi;
			if
			:: rc == CLOSED -> finalize_later = true
			:: else
			fi;
			o = NOBODY; csr = 0; s = 0; rc = 0
		   }
		od
	} unless { life != front_life };
	goto again
}

/* A front that was taken over: it has what clients and validator gave it, and sends the signer what it likes, in any order. */
proctype hostile()
{
	byte c, o;

	do
	:: d_step { validation[0] == 0 -> validation[0] = ASKED }
	:: d_step { validation[1] == 0 -> validation[1] = ASKED }
	:: d_step { validation[0] == YES && !receipt[0] -> receipt[0] = true }
	:: d_step { validation[1] == YES && !receipt[1] -> receipt[1] = true }
	:: atomic {
		connected && !ask[LATE].sent;
		if :: c = 0 :: c = 1 fi;
		if :: o = 0 :: o = 1 fi;
		d_step {
			ask[LATE].order = o; ask[LATE].csr = csr_of(c);
			/* neither a receipt nor a client's signature can be made up (server/receipt.h, signer/evidence.c) */
			ask[LATE].evidence = receipt[o] && finalized[c] && order_of(c) == o;
			ask[LATE].sent = true;
			c = 0; o = 0
		}
	}
	od
}

/* ================================================================ the parent, and whoever kills */

/* The front has the newer of the two channels, says HELLO, and has what waits finalized when that is answered (front/main.c). */
proctype lines()
{
	do
#ifdef FAULT_HELLO_LATE
	:: d_step { signer_up && !connected -> connected = true }
	:: d_step { connected && !greeted -> greeted = true; signer_hello = true; drive_now = true }
	:: d_step { connected && !greeted && left > 0 -> left--; greeted = true; signer_hello = true;
#else
	:: d_step { signer_up && !connected -> connected = true; greeted = true; signer_hello = true; drive_now = true }
	:: d_step { signer_up && !connected && left > 0 -> left--; connected = true; greeted = true; signer_hello = true;
#endif
#ifndef FAULT_DRIVEN_ONCE
		finalize_later = true
#endif
	}
	od
}

inline end_lines()
{
	connected = false; greeted = false; signer_hello = false
}

inline kill_front()
{
	left--; front_life++;
	end_lines();
	finalize_later = false; drive_now = false;
	for (i : 0 .. ORDERS - 1) { posted[i] = false; validation[i] = 0 }
	for (i : 0 .. ASKERS) { forget_question(i) }
	for (i : 0 .. BATCH - 1) {
		if
		:: i < n_jobs -> jobs[i].from = NOBODY
		:: else
		fi
	}
	for (i : 0 .. CLIENTS - 1) {	/* connections end */
		working[i] = false;
		if
		:: request[i] -> request[i] = false; reply[i] = CLOSED
		:: else
		fi
	}
	i = 0
}

/* What the disk has not been made to keep is kept or not, each record behind the ones before it: the first that is not whole ends the log
 * (log_recover.c). Answers that were sent may have arrived. */
inline kill_signer()
{
	left--; signer_life++;
	signer_up = false;
	end_lines();
	do
	:: written > durable -> written--
	:: break
	od;
	i = 0;
	d_step {
		for (i : written .. staged - 1) { log[i].type = 0; log[i].order = 0; log[i].csr = 0; log[i].serial = 0 }
		staged = written;
		for (i : 0 .. BATCH - 1) { forget_job(i) }
		n_jobs = 0;
		for (i : 0 .. ORDERS - 1) { done_serial[i] = 0; done_csr[i] = 0 }
		i = 0
	};
	lose_answer(0); lose_answer(1);
#if CLIENTS > 1
	lose_answer(2);
#endif
	ask[LATE].sent = false
}

/* disconnect(): every question ends. asked[w]: it waits, for it has a CSR. */
inline lose_answer(p_asker)
{
	if
	:: ask[p_asker].answer != 0
	:: ask[p_asker].csr != 0 -> ask[p_asker].sent = false; ask[p_asker].answer = CLOSED; ask[p_asker].serial = 0
	:: ask[p_asker].csr == 0
	fi
}

inline kill_validator()
{
	left--; validator_life++;
	for (i : 0 .. ORDERS - 1) {
		if
		:: validation[i] == ASKED -> validation[i] = TO_ASK
		:: else
		fi
	}
	i = 0
}

proctype killer()
{
	byte i;

	do
	:: atomic { left > 0 -> kill_front() }
	:: atomic { left > 0 -> kill_signer() }
	:: atomic { left > 0 -> kill_validator() }
	od
}

/* ================================================================ clients, and the judge */

/* Sends its finalize again until it knows how that ended; then downloads, and asks once more. */
proctype client(byte c)
{
	do	/* its challenge; where the front died meanwhile, anew */
	:: d_step { state[order_of(c)] == PENDING && !posted[order_of(c)] -> posted[order_of(c)] = true }
	:: state[order_of(c)] != PENDING -> break
	od;
	if
	:: d_step { state[order_of(c)] != INVALID -> finalized[c] = true; request[c] = true }
	:: state[order_of(c)] == INVALID -> goto done
	fi;
	do
	:: d_step {	/* again */
		reply[c] == READY || reply[c] == INTERNAL || reply[c] == CLOSED || (reply[c] == PROCESSING && state[order_of(c)] != PROCESSING) ->
		reply[c] = 0; request[c] = true
	   }
	:: d_step {	/* of another CSR: it may come to nothing */
		reply[c] == NOT_READY && state[order_of(c)] == READY -> reply[c] = 0; request[c] = true
	   }
	:: reply[c] == UNAUTHORIZED -> break	/* another CSR was certified */
	:: reply[c] == NOT_READY && (state[order_of(c)] == VALID || state[order_of(c)] == INVALID) -> break
#ifdef GIVES_UP
	:: c == 0 && reply[c] != 0 && reply[c] != VALID -> gave_up[c] = true; break
#endif
	:: atomic {	/* the download: it waits until there is something */
		reply[c] == VALID && state[order_of(c)] == VALID ->
		assert(taken[order_of(c)] == csr_of(c) && serial[order_of(c)] == world[order_of(c)]);
		assert(got[c] == 0 || got[c] == serial[order_of(c)]);	/* the same bytes */
		if
#ifdef LIFE
		:: got[c] == 0 -> got[c] = serial[order_of(c)]; reply[c] = 0; request[c] = true
#endif
		:: else -> got[c] = serial[order_of(c)]; reply[c] = 0; break
		fi
	   }
	od;
done:
	over[c] = true
}

/* Nothing moves any more: whoever the signer has signed for has the certificate, or has gone and will find it. */
proctype judge()
{
	byte o, c;
	bool served;

	timeout;
	d_step {
		for (c : 0 .. CLIENTS - 1) {
			assert(over[c]);	/* nobody waits for ever */
			assert(got[c] != 0 || gave_up[c] || !controls[order_of(c)] || (state[order_of(c)] == VALID && taken[order_of(c)] != csr_of(c)))
		}
		for (o : 0 .. ORDERS - 1) {
			assert(state[o] != PROCESSING && state[o] != PENDING);
			assert(state[o] != VALID || serial[o] == world[o]);
			assert(controls[o] || world[o] == 0);
			served = (world[o] == 0 || state[o] == VALID);
			for (c : 0 .. CLIENTS - 1) {	/* it is in the log: a try of the same CSR, or reconcile, finds it */
				if
				:: gave_up[c] && order_of(c) == o -> served = true
				:: else
				fi
			}
			assert(served)
		}
	}
}

init {
	byte i;

	atomic {
		for (i : 0 .. ORDERS - 1) {
			if
			:: controls[i] = true
#if defined(LIFE) || defined(HOSTILE)
			:: controls[i] = false
#endif
			fi;
			receipt[i] = validated(i);
			state[i] = (validated(i) -> READY : PENDING)
		}
		select (i : 0 .. MISFORTUNES);
		left = i;
		signer_up = true; connected = true; greeted = true; signer_hello = true;
		run signer();
#if defined(LIFE) || defined(HOSTILE)
		run validator();
#endif
		run lines();
		run killer();
#ifdef HOSTILE
		run hostile();
		for (i : 0 .. CLIENTS - 1) {
			if
			:: finalized[i] = true
			:: true
			fi
		}
#else
#ifdef LIFE
		run validating(0);
#endif
		for (i : 0 .. CLIENTS - 1) { run worker(i); run client(i) }
		run driver();
		run judge()
#endif
	}
}
