#include "typecodes.h"

#include <string.h>

bool code_is_integer(char code)
{
    return code && strchr("bBhHiIlLqQ", code) != NULL;
}

Py_ssize_t code_bytes(char code)
{
    switch (code) {
    case 'b':
    case 'B':
    case 'c':
    case '?':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'i':
    case 'I':
        return sizeof(int);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'f':
        return sizeof(float);
    default:
        return 8;
    }
}

static bool is_signed(char code)
{
    return code >= 'a' && code <= 'z';
}

uint64_t read_bits(const void *address, Py_ssize_t bytes)
{
    switch (bytes) {
    case 1:
        return __atomic_load_n((const uint8_t *)address, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)address, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)address, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)address, __ATOMIC_RELAXED);
    }
}

void write_bits(void *address, Py_ssize_t bytes, uint64_t bits)
{
    switch (bytes) {
    case 1:
        __atomic_store_n((uint8_t *)address, (uint8_t)bits, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)address, (uint16_t)bits, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)address, (uint32_t)bits, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)address, bits, __ATOMIC_RELAXED);
    }
}

PyObject *integer_from_bits(uint64_t bits, char code, Py_ssize_t bytes)
{
    unsigned unused = 64 - 8 * (unsigned)bytes;
    if (!is_signed(code))
        return PyLong_FromUnsignedLongLong(bits << unused >> unused);
    return PyLong_FromLongLong((int64_t)(bits << unused) >> unused);
}

PyObject *from_bits(uint64_t bits, char code, Py_ssize_t bytes)
{
    double real;
    float single;
    char character = (char)bits;
    switch (code) {
    case 'd':
        memcpy(&real, &bits, sizeof real);
        return PyFloat_FromDouble(real);
    case 'f':
        memcpy(&single, &bits, sizeof single);
        return PyFloat_FromDouble(single);
    case '?':
        return PyBool_FromLong(bits != 0);
    case 'c':
        return PyBytes_FromStringAndSize(&character, 1);
    default:
        return integer_from_bits(bits, code, bytes);
    }
}

static int real_to_bits(PyObject *value, char code, uint64_t *bits)
{
    double real = PyFloat_AsDouble(value);
    if (real == -1.0 && PyErr_Occurred())
        return -1;
    float single = (float)real;
    if (code == 'd')
        memcpy(bits, &real, sizeof real);
    else
        memcpy(bits, &single, sizeof single);
    return 1;
}

int to_bits(PyObject *value, char code, uint64_t *bits)
{
    *bits = 0;
    if (code_is_integer(code) && PyLong_Check(value)) {
        *bits = PyLong_AsUnsignedLongLongMask(value);
        return 1;
    }
    if ((code == 'd' || code == 'f') && (PyFloat_Check(value) || PyLong_Check(value)))
        return real_to_bits(value, code, bits);
    if (code == '?' && PyBool_Check(value)) {
        *bits = value == Py_True;
        return 1;
    }
    if (code == 'c' && PyBytes_Check(value) && PyBytes_Size(value) == 1) {
        *bits = (uint8_t)*PyBytes_AsString(value);
        return 1;
    }
    return 0;
}
