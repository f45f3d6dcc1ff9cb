/* The application: one inference and one line of text. */
#ifndef TG_APP_H
#define TG_APP_H

/*
 * Prepares the model, runs one inference on inputs that are all zero bytes and prints one line with
 * the first output. Returns the model's status, negative on error. The validation firmware runs the
 * same function to measure the stack that an application needs.
 */
int tg_app_run(void);

#endif
