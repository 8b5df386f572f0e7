class __te_statistics__:
    StatisticsError = ValueError
    def _some(data, least, name):
        data = list(data)
        if len(data) < least:
            raise ValueError(f'{name} requires at least {least} data point' + ('s' if least > 1 else ''))
        return data
    def mean(data):
        data = __te_statistics__._some(data, 1, 'mean')
        total = sum(data)
        if isinstance(total, int) and total % len(data) == 0:
            return total // len(data)
        return total / len(data)
    def fmean(data, weights=None):
        data = __te_statistics__._some(data, 1, 'fmean')
        if weights is None:
            return float(sum(data)) / len(data)
        weights = list(weights)
        return float(sum([a * b for a, b in zip(data, weights)])) / sum(weights)
    def median(data):
        data = sorted(__te_statistics__._some(data, 1, 'median'))
        half = len(data) // 2
        if len(data) % 2:
            return data[half]
        return (data[half - 1] + data[half]) / 2
    def median_low(data):
        data = sorted(__te_statistics__._some(data, 1, 'median'))
        return data[(len(data) - 1) // 2]
    def median_high(data):
        data = sorted(__te_statistics__._some(data, 1, 'median'))
        return data[len(data) // 2]
    def multimode(data):
        counts = {}
        for value in data:
            counts[value] = counts.get(value, 0) + 1
        most = max(counts.values()) if counts else 0
        return [value for value, count in counts.items() if count == most]
    def mode(data):
        data = __te_statistics__._some(data, 1, 'mode')
        return __te_statistics__.multimode(data)[0]
    def _squares(data, center):
        if center is None:
            center = sum(data) / len(data)
        return sum([(value - center) ** 2 for value in data])
    def variance(data, xbar=None):
        data = __te_statistics__._some(data, 2, 'variance')
        return __te_statistics__._squares(data, xbar) / (len(data) - 1)
    def pvariance(data, mu=None):
        data = __te_statistics__._some(data, 1, 'pvariance')
        return __te_statistics__._squares(data, mu) / len(data)
    def stdev(data, xbar=None):
        data = __te_statistics__._some(data, 2, 'stdev')
        return __te_statistics__.variance(data, xbar) ** 0.5
    def pstdev(data, mu=None):
        data = __te_statistics__._some(data, 1, 'pstdev')
        return __te_statistics__.pvariance(data, mu) ** 0.5
    def quantiles(data, n=4, method='exclusive'):
        data = sorted(__te_statistics__._some(data, 2, 'quantiles'))
        count = len(data)
        result = []
        for i in range(1, n):
            if method == 'inclusive':
                j, delta = divmod(i * (count - 1), n)
            else:
                j = min(max(i * (count + 1) // n, 1), count - 1)
                delta = i * (count + 1) - j * n
                j -= 1
            after = data[j + 1] if j + 1 < count else data[j]
            result.append((data[j] * (n - delta) + after * delta) / n)
        return result
