/* Keys of mappings in shared memory: see python/dict_key.c. */
#ifndef PROCESSION_PYTHON_DICT_KEY_H
#define PROCESSION_PYTHON_DICT_KEY_H

#include "core.h"

enum { KEY_LOCAL_BYTES = 256 };

struct key {
    char *bytes; /* that tell keys apart, then the form */
    size_t size, capacity;
    size_t form; /* where the form begins */
    bool exact;  /* the key can be made again from what tells it apart: there is no form */
    char local[KEY_LOCAL_BYTES];
};

/* False: exception set; TypeError for what cannot be hashed. key_clear() is called in either case. */
bool key_encode(PyObject *object, struct key *key);
void key_clear(struct key *key);

/* The key; NULL: exception set. */
PyObject *key_decode(const char *bytes, size_t size, size_t form_bytes);

#endif
