class __te_heapq__:
    def _down(heap, start, pos):
        item = heap[pos]
        while pos > start:
            parent = (pos - 1) >> 1
            if not item < heap[parent]:
                break
            heap[pos] = heap[parent]
            pos = parent
        heap[pos] = item
    def _up(heap, pos):
        end, start, item = len(heap), pos, heap[pos]
        child = 2 * pos + 1
        while child < end:
            if child + 1 < end and not heap[child] < heap[child + 1]:
                child += 1
            heap[pos] = heap[child]
            pos, child = child, 2 * child + 1
        heap[pos] = item
        __te_heapq__._down(heap, start, pos)
    def heappush(heap, item):
        heap.append(item)
        __te_heapq__._down(heap, 0, len(heap) - 1)
    def heappop(heap):
        last = heap.pop()
        if not heap:
            return last
        first = heap[0]
        heap[0] = last
        __te_heapq__._up(heap, 0)
        return first
    def heapreplace(heap, item):
        first = heap[0]
        heap[0] = item
        __te_heapq__._up(heap, 0)
        return first
    def heappushpop(heap, item):
        if heap and heap[0] < item:
            item, heap[0] = heap[0], item
            __te_heapq__._up(heap, 0)
        return item
    def heapify(heap):
        for pos in range(len(heap) // 2 - 1, -1, -1):
            __te_heapq__._up(heap, pos)
    def nlargest(n, iterable, key=None):
        return sorted(iterable, key=key, reverse=True)[:max(n, 0)]
    def nsmallest(n, iterable, key=None):
        return sorted(iterable, key=key)[:max(n, 0)]
    def merge(*iterables, key=None, reverse=False):
        merged = []
        for iterable in iterables:
            merged += iterable
        return iter(sorted(merged, key=key, reverse=reverse))
