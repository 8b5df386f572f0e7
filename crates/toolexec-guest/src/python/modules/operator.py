class __te_operator__:
    def itemgetter(*items):
        if len(items) == 1:
            item = items[0]
            return lambda value: value[item]
        return lambda value: tuple([value[item] for item in items])
    def attrgetter(*names):
        def get(value, name):
            for part in name.split('.'):
                value = getattr(value, part)
            return value
        if len(names) == 1:
            name = names[0]
            return lambda value: get(value, name)
        return lambda value: tuple([get(value, name) for name in names])
    def add(a, b): return a + b
    def sub(a, b): return a - b
    def mul(a, b): return a * b
    def truediv(a, b): return a / b
    def floordiv(a, b): return a // b
    def mod(a, b): return a % b
    def pow(a, b): return a ** b
    def neg(a): return -a
    def pos(a): return +a
    def abs(a): return a if a >= 0 else -a
    def eq(a, b): return a == b
    def ne(a, b): return a != b
    def lt(a, b): return a < b
    def le(a, b): return a <= b
    def gt(a, b): return a > b
    def ge(a, b): return a >= b
    def and_(a, b): return a & b
    def or_(a, b): return a | b
    def xor(a, b): return a ^ b
    def lshift(a, b): return a << b
    def rshift(a, b): return a >> b
    def invert(a): return ~a
    def not_(a): return not a
    def truth(a): return True if a else False
    def is_(a, b): return a is b
    def is_not(a, b): return a is not b
    def concat(a, b): return a + b
    def contains(a, b): return b in a
    def countOf(a, b): return len([value for value in a if value == b])
    def indexOf(a, b): return list(a).index(b)
    def getitem(a, b): return a[b]
    def setitem(a, b, c):
        a[b] = c
