"""Every fault there is: to import them is to register them, in this order."""
# pylint: disable=unused-import
import workers  # noqa: F401
import stores_redis  # noqa: F401
import stores_mariadb  # noqa: F401
import peers  # noqa: F401
import system  # noqa: F401
import hosts  # noqa: F401
