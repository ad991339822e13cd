/* MultiProcessor tables, for machines with local APICs.

   Source   MultiProcessor Specification 1.4, 4 */

#include "post.h"

void mp_build(void) {}
