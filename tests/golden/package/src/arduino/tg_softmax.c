/* Arduino compiles src/ alone; for everyone else this is empty. */
#ifdef ARDUINO
#include "../../kernels/softmax/tg_softmax.c"
#endif
