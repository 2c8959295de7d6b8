"""The rules for all supported torch operations; importing this package registers them."""

from fieldspec.analysis.trace.rules import convolution as convolution
from fieldspec.analysis.trace.rules import learned_products as learned_products
from fieldspec.analysis.trace.rules import lookups as lookups
from fieldspec.analysis.trace.rules import matrices as matrices
from fieldspec.analysis.trace.rules import mixing as mixing
from fieldspec.analysis.trace.rules import pooling as pooling
from fieldspec.analysis.trace.rules import products as products
from fieldspec.analysis.trace.rules import recurrent as recurrent
from fieldspec.analysis.trace.rules import resizing as resizing
from fieldspec.analysis.trace.rules.indexing import gathering as gathering
from fieldspec.analysis.trace.rules.indexing import scattering as scattering
from fieldspec.analysis.trace.rules.moving import choosing as choosing
from fieldspec.analysis.trace.rules.moving import constants as constants
from fieldspec.analysis.trace.rules.moving import flips as flips
from fieldspec.analysis.trace.rules.moving import joining as joining
from fieldspec.analysis.trace.rules.moving import padding as padding
from fieldspec.analysis.trace.rules.moving import patches as patches
from fieldspec.analysis.trace.rules.moving import views as views
