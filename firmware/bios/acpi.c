/* x */
#include "post.h"
void acpi_build(void) {}
