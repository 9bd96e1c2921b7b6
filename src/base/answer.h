/*
 * answer: every question to a store has three outcomes, and the third is never mistaken for
 * another: what cannot be asked is neither allowed nor refused, it is 503.
 */
#ifndef BASE_ANSWER_H
#define BASE_ANSWER_H

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

#endif
