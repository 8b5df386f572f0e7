/* Read before QuickJS when it is compiled for wasm. QuickJS does not check its stack on WASI; it
 * could, because its own stack is an ordinary part of memory there. So it is not told that this is
 * WASI, once the headers of the C library, which insist on it, have been read. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
/* Assertions name their file: not where it was compiled, which is not the same everywhere. */
#pragma clang diagnostic ignored "-Wbuiltin-macro-redefined"
#undef __FILE__
#define __FILE__ "quickjs"
#undef __wasi__
/* Has malloc_usable_size. */
#define __GLIBC__ 2
