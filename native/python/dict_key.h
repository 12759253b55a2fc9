/* Keys of mappings in shared memory.
 *
 * Idea   Two keys are the same if their bytes are. So equal simple values have equal bytes: 1, 1.0
 *        and True are written alike, and so are 0.0 and -0.0. A letter says what follows; what is
 *        in a tuple has its size before it. Frozen sets and all other objects are written by
 *        procession.shared._keys.
 * Form   Where that loses what the key was (1.0, say, which is written as 1), its pickle is put
 *        behind. It takes no part in comparisons.
 * Trust  Letters and sizes are checked when they are read, as all that lies in shared memory. */
#ifndef PROCESSION_PYTHON_DICT_KEY_H
#define PROCESSION_PYTHON_DICT_KEY_H

#include "binding.h"

enum { KEY_LOCAL_BYTES = 256 };

struct key {
    char *bytes; /* that tell keys apart, then the form */
    size_t size, capacity;
    size_t form; /* where the form begins */
    bool exact;  /* the key can be made again from what tells it apart: there is no form */
    char local[KEY_LOCAL_BYTES];
};

/* False: exception set, TypeError if *object* cannot be hashed. In either case, the caller calls
 * key_clear(). */
bool key_encode(PyObject *object, struct key *key);
void key_clear(struct key *key);

/* The key; NULL: exception set. */
PyObject *key_decode(const char *bytes, size_t size, size_t form_bytes);

int add_dict_key(PyObject *module);

#endif
