/* The bell of the teletype functions. */
#ifndef BELL_H
#define BELL_H

void ring_bell(void);

#endif
