/* x */
#include "post.h"
void smbios_build(void) {}
