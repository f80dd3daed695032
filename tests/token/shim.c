/* A PKCS#11 module around another one (SHIM_MODULE) that signs as slowly as the file SHIM_CONTROL says, in milliseconds: a token that is slow, or
 * hangs. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST *real;

static void wait_as_told(void)
{
	FILE *f = fopen(getenv("SHIM_CONTROL") ? getenv("SHIM_CONTROL") : "/dev/null", "r");
	unsigned ms = 0;

	if (!f)
		return;
	if (fscanf(f, "%u", &ms) == 1)
		for (unsigned i = 0; i < ms; i += 10)
			(void)usleep(10000);
	(void)fclose(f);
}

static CK_RV slow_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *sig, CK_ULONG *sig_len)
{
	wait_as_told();
	return real->C_Sign(session, data, data_len, sig, sig_len);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
	void *module = real ? NULL : dlopen(getenv("SHIM_MODULE") ? getenv("SHIM_MODULE") : "", RTLD_NOW);

	if (!real) {
		CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
		if (!get || get(&real) != CKR_OK)
			return CKR_GENERAL_ERROR;
		list = *real;
		list.C_Sign = slow_sign;
	}
	*ret = &list;
	return CKR_OK;
}
