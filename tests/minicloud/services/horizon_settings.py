"""Horizon's local_settings.py, as the mini-cloud wants it."""

import os
import pathlib

DEBUG = True
ALLOWED_HOSTS = ['127.0.0.1']
SECRET_KEY = os.environ['TSMIG_HORIZON_KEY']
LOCAL_PATH = os.environ['TSMIG_HORIZON_STATE']
STATIC_ROOT = str(pathlib.Path(LOCAL_PATH) / 'static')
COMPRESS_ENABLED = False
CACHES = {
    'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}
}
SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'
OPENSTACK_KEYSTONE_URL = os.environ['TSMIG_KEYSTONE_URL']
OPENSTACK_KEYSTONE_DEFAULT_DOMAIN = 'Default'
OPENSTACK_ENDPOINT_TYPE = 'internalURL'
TIME_ZONE = 'UTC'
