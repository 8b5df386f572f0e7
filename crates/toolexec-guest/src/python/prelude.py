async def __te_just__(value):
    return value
def __te_await__(value):
    return value if type(value).__name__ in ('coroutine', '_GatheringFuture') else __te_just__(value)
def __te_task__(value, name=None):
    return value
async def __te_settle__(value):
    try:
        return await value
    except Exception as error:
        return error
async def __te_gather__(*values, return_exceptions=False):
    import asyncio
    values = [__te_await__(value) for value in values]
    if return_exceptions:
        values = [__te_settle__(value) for value in values]
    return await asyncio.gather(*values)
def __te_error__(value):
    return __te_failure__(value) if isinstance(value, RuntimeError) else value
