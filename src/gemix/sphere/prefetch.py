"""Memory that a compiled loop will need next, asked for while it computes: rows are there when their turn comes."""

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from gemix.sphere.compiled import inlined

_LINE: Final = 64  # bytes of a cache line


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch_value(_: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of a value in a 2-D array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = signature.args[0]
        values = context.make_array(kind)(context, builder, arguments[0])
        place = builder.bitcast(cgutils.get_item_pointer(context, builder, kind, values, arguments[1:]), pointer)
        function = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0i8")
        builder.call(prefetch, [place, number(0), number(2), number(1)])  # to read, into the second level, data
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), generate


@inlined
def prefetch(array: NDArray[Any], row: int) -> None:
    """Have a row on its way while something else is computed: (n, d)."""
    for c in range(0, array.shape[1], _LINE // array.itemsize):
        _prefetch_value(array, row, c)
