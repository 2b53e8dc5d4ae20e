/* names.c: what the tables of functions, losses and update rules hold, by name, for Python. */
#include "fastnn.h"

#define NAMED(name, ...) {#name, "(none)", "(none)", 0, 0},
#define END              {NULL, NULL, NULL, 0, 0}

/* A fixed parameter's column of gradients is 0 */
const struct fnn_entry fnn_acts[] = {
#define ACT(name, parameters, cost, saved, value, gradient) {#name, #parameters, "(none)", #saved[0] == 'y', 0},
#define LEARN(name, parameters, cost, value, gradient, da, db)                                                         \
    {#name, #parameters, "(none)", 0, 2 - (sizeof #db == 2 && #db[0] == '0')},
#include "tables/activations.def"
#undef ACT
#undef LEARN
    END};

const struct fnn_entry fnn_losses[] = {
#define LOSS NAMED
#include "tables/losses.def"
#undef LOSS
    END};

const struct fnn_entry fnn_rules[] = {
#define RULE(name, hypers, states, ...) {#name, #hypers, #states, 0, 0},
#include "tables/optimizers.def"
#undef RULE
    END};

const struct fnn_entry fnn_pointwises[] = {
#define POINTWISE_1      NAMED
#define POINTWISE_2      NAMED
#define POINTWISE_3      NAMED
#define POINTWISE_TRUTH  NAMED
#define POINTWISE_KERNEL NAMED
#include "tables/pointwise.def"
    END};
