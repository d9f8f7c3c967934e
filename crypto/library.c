#include "crypto/library.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

#include "core/err.h"

/* A certificate that is trusted only because its bytes look like a CA's: never in our build (hostile-world, Appendix
 * B). */
#if defined(WOLFSSL_TRUST_PEER_CERT) || defined(OPENSSL_COMPATIBLE_DEFAULTS)
#error "wolfSSL is built with options that weaken verification: run tools/setup"
#endif

const char *crypto_library_version(void)
{
#if defined(WOLFSSL_AESNI) && defined(USE_INTEL_SPEEDUP)
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING ", with assembly";
#else
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
#endif
}

int crypto_library_check(void)
{
	return wolfSSL_lib_version_hex() == LIBWOLFSSL_VERSION_HEX ? 0 : ERR_VERSION;
}
