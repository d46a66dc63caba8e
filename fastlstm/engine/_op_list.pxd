"""The ops of a program, for the modules that run them."""

from fastlstm.engine._kernels cimport fl_activation, fl_integers, fl_kernels
from fastlstm.engine._structs cimport Engine, Matrix, Op, Stage, Value, Wiring


cdef class OpList:
    cdef Engine engine
    cdef str kernel_name
    cdef Op *ops
    cdef Stage *stages
    cdef Wiring wiring
    cdef int n_ops
    cdef const int *axes              # of every input, as out_axes of every output: 2, 3 with time, more, 0 for any
    cdef const int *out_axes
    cdef Py_ssize_t features          # of the first op that has any; 0: any
    cdef bint regrouped               # an op so far gave rows of other values
    cdef long vocabulary              # of the first op, if it takes ids; else 0
    cdef const int *ids               # whether every input is ids, which have no axis of features
    cdef list tables                  # (input, vocabulary, whose ids they are)
    cdef tuple recurrent              # (units, number of states) of every recurrent op
    cdef double work                  # multiplications of a row and step
    cdef double cost                  # about as many as take as long as the row and step
    cdef Py_ssize_t largest_kernel    # weights
    cdef readonly bint takes_masks    # whether a mask of the input changes anything
    cdef bint makes_masks             # whether ops do
    cdef list names                   # of the ops, for errors
    cdef readonly bint has_callbacks  # to Python: then a call stays on its thread, where an exception belongs
    cdef list kept                    # arrays and functions that the ops point to

    cdef int _check_made(self) except -1
    cdef _add(self, lowered)
    cdef _wire(self, wiring, names)
    cdef str misfit(self, const Value *values, int bad)
    cdef const int *_ints(self, numbers)
    cdef const float *_data(self, array)
    cdef _set_matrix(self, Matrix *matrix, lowered)
    cdef _set_integers(self, fl_integers *integers, lowered)
    cdef _set_activation(self, fl_activation *activation, lowered)

cdef const fl_kernels *find_kernels(bytes isa) except NULL

cdef int raise_pending() except? -1
