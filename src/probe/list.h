/* The tables of cases, a file for each. To add a case: a row in its file. To add a file: its table here and in list.c. */
#ifndef CHANCERY_PROBE_LIST_H
#define CHANCERY_PROBE_LIST_H

#include "probe/case.h"

extern const struct case_table directory_cases;
extern const struct case_table nonce_cases;
extern const struct case_table account_cases;
extern const struct case_table order_cases;
extern const struct case_table authz_cases;
extern const struct case_table certificate_cases;
extern const struct case_table revoke_cases;
extern const struct case_table key_change_cases;
extern const struct case_table renewal_cases;
extern const struct case_table wish_cases;
extern const struct case_table external_cases;
extern const struct case_table http01_cases;

/* One row for each check and each resource that it applies to; lives for ever. */
const struct probe_case *matrix_cases(size_t *ret_n);

#endif
